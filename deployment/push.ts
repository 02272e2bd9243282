// The push protocol for an app of one component: `start_push` evaluates the code and prepares
// tables, indexes and the pending schema; `finish_push` switches to the new code in one transaction
// (spec deploy 5 and 12). What the second step needs of the first travels through the client, so a
// push survives a restart of the server, and one that is never finished leaves only harmless rows.

import { z } from "zod";
import type { Engine } from "../engine/engine.ts";
import { PlatformError, userError } from "../engine/errors.ts";
import { diffIndexes, finishIndexes, prepareIndexes } from "../engine/index_lifecycle.ts";
import { activateSchema, submitSchema } from "../engine/schema_lifecycle.ts";
import type { Transaction } from "../engine/transaction.ts";
import type { Json } from "../engine/values/value.ts";
import { schemaToJson } from "../engine/values/schema.ts";
import type { Analyzer } from "../runtime/analysis.ts";
import { writeDefinition } from "./app_definition.ts";
import { replaceAuthProviders } from "./auth_evaluation.ts";
import type { SystemVariables } from "./canonical_urls.ts";
import { CRONS_MODULE, replaceCrons } from "./cron_specs.ts";
import { checkDeclaredValue, readEnvironment } from "./environment.ts";
import { duringPush } from "./push_error.ts";
import { evaluatePush, type PushPlan } from "./push_evaluation.ts";
import { parsePushRequest } from "./push_request.ts";
