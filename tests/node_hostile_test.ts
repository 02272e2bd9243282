// Attacks from actions in Node under Deno's compatibility with it.
import { testNodeAttacks } from "./node/hostile_suite.ts";

testNodeAttacks([]);
