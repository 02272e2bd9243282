// Native add-ons of packages, where the operator does not allow them: native code is under no
// restriction of the process. Libraries wrap the error, so what failed says it once more.

import Module from "node:module";
import process from "node:process";
import type { ReportedError } from "./protocol.ts";

export const ADDON_REFUSAL =
  "Native add-ons are not allowed on this server. Its operator can allow " +
  "them with the flag --native-addons.";

export function refuseNativeAddons(onRefused: () => void): void {
  const refuse = (): never => {
    onRefused();
    throw Object.assign(new Error(ADDON_REFUSAL), { code: "ERR_DLOPEN_DISABLED" });
  };
  Object.defineProperty(process, "dlopen", { value: refuse, configurable: true });
  const { _extensions } = Module as unknown as { _extensions: Record<string, unknown> };
  _extensions[".node"] = refuse;
}

export function withAddonRefusal(report: ReportedError): ReportedError {
  if (report.message.includes(ADDON_REFUSAL)) return report;
  return { ...report, message: `${report.message}\n${ADDON_REFUSAL}` };
}
