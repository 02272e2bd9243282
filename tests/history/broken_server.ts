// A server with a fault that the history checker must find: its committer does not look for conflicts.

import { CommitLog } from "../../engine/commit_log.ts";

CommitLog.prototype.findConflict = () => null;
await import("../../main.ts");
