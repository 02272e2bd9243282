// The cron job that each box has for itself.
import { cronJobs, makeFunctionReference } from "convex/server";

const crons = cronJobs();
crons.interval(
  "tick",
  { hours: 1 },
  makeFunctionReference<"mutation">("notes:addInternally"),
  { text: "tick" },
);
export default crons;
