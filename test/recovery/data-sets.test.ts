// The main job with the data set that has most kinds of objects.
import { mainJobTest } from "../support/main-job.ts";

mainJobTest("pagila", "a local directory");
