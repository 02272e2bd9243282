// `_system/frontend/listDeploymentEventsFromTime`: the audit log as it grows (spec services 6.5).

import { z } from "zod";
import { systemQuery } from "./system_function.ts";

const EVENTS_LISTED_MAX = 1000;

/** The first rows of the audit log from a moment on, oldest first. */
export const listDeploymentEvents = systemQuery(
  z.looseObject({ fromTimestamp: z.number() }),
  ({ fromTimestamp }, { tx }) =>
    tx.table("auditLog")
      .range("by_creation_time", [], { gte: fromTimestamp, limit: EVENTS_LISTED_MAX })
      .map((row) => ({ ...row })),
);
