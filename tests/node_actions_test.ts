// `"use node"` actions under Deno's compatibility with Node.
import { testNodeActions } from "./node/actions_suite.ts";

testNodeActions([]);
