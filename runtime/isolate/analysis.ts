// Evaluation of code at push.

import type { AnalyzeOutcome, AnalyzeRequest } from "../frames.ts";
import type { TransactionsOptions } from "./transactions.ts";

export class Analysis {
  constructor(readonly options: TransactionsOptions) {}

  run(request: AnalyzeRequest, done: (outcome: AnalyzeOutcome) => void): void {
    done({ ok: false, code: null, message: `${request.kind} is not supported` });
  }
}
