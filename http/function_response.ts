// Outcomes of functions as answers of the functions API: always 200, `status` says how it went
// (spec http-api 6). Values arrive as JSON texts and are spliced in without being parsed when the
// client wants them in that encoding.

import type { PlatformError } from "../engine/errors.ts";
import { type Format, formatValue, parseFormat } from "../engine/values/formats.ts";
import type { FunctionResult, LogLine } from "../runtime/types.ts";
import {
  type ClientVersion,
  tellsFloatsByDecimalPoint,
  wantsEncodedValues,
} from "../sync/client_version.ts";
import { clientErrorMessage, clientLogLines, errorFromMessage } from "../sync/result_text.ts";

export interface FunctionAnswer {
  readonly result: FunctionResult;
  readonly logLines: readonly LogLine[];
}

export interface AnswerOptions {
  readonly requestId: string;
  readonly format: Format;
  /** Show clients neither log lines nor the details of errors. */
  readonly redact: boolean;
}

/** The answer's JSON text. */
export function functionAnswerJson(answer: FunctionAnswer, options: AnswerOptions): string {
  const { result } = answer;
  const lines = answer.logLines.length === 0 ? [] : clientLogLines(answer.logLines, options.redact);
  const logLines = lines.length === 0 ? "" : `,"logLines":${JSON.stringify(lines)}`;
  if (result.ok) {
    return `{"status":"success","value":${formatValue(result.value, options.format)}${logLines}}`;
  }
  const { text, data } = result.error;
  const message = JSON.stringify(clientErrorMessage(options.requestId, text, options.redact));
  const errorData = data === undefined ? "" : `,"errorData":${formatValue(data, options.format)}`;
  return `{"status":"error","errorMessage":${message}${errorData}${logLines}}`;
}

/** A deterministic platform error in the place of a function's outcome. */
export function failedAnswer(error: PlatformError): FunctionAnswer {
  return {
    result: { ok: false, error: errorFromMessage(error.message, error.data) },
    logLines: [],
  };
}

/**
 * The format that the request names, or the default of its client.
 * @throws PlatformError `BadFormat`
 */
export function answerFormat(format: string | null | undefined, client: ClientVersion): Format {
  const encoded = tellsFloatsByDecimalPoint(client) ? "decimal" : "encoded";
  if (format === null || format === undefined) {
    return wantsEncodedValues(client) ? encoded : "clean";
  }
  const named = parseFormat(format);
  return named === "encoded" ? encoded : named;
}
