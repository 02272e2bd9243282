import assert from "node:assert/strict";
import { IsolateProcess, type IsolateProgram, processMarks } from "./isolate_process.ts";
import { endOrphans } from "./orphans.ts";

const LOOP = "for (;;);";

Deno.test("isolates of a killed host end, those of a living one go on", async () => {
  const directory = await Deno.makeTempDir();
  const entry = `${directory}/loop.ts`;
  await Deno.writeTextFile(entry, LOOP);
  const program: IsolateProgram = {
    entry,
    readableFiles: [`${directory}/db.sqlite`],
    allowNet: false,
    heapMebibytes: 64,
  };
  const own = IsolateProcess.spawn({ ...program, onFrames: () => {} });
  const host = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", await writeHost(directory, program)],
    stdout: "piped",
  }).spawn();
  try {
    const orphan = Number(await firstLine(host.stdout));
    assert.ok(isRunning(orphan));
    assert.deepEqual(endOrphans(processMarks(program)), [], "both hosts live");
    host.kill("SIGKILL");
    await host.status;
    assert.deepEqual(
      endOrphans(processMarks({ ...program, readableFiles: ["/other.sqlite"] })),
      [],
    );
    assert.deepEqual(endOrphans(processMarks(program)), [orphan]);
    while (isRunning(orphan)) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(own.alive && isRunning(own.pid));
  } finally {
    own.kill();
    await own.exited;
    await Deno.remove(directory, { recursive: true });
  }
});

/** A host that starts one isolate, says its process id and goes on. */
async function writeHost(directory: string, program: IsolateProgram): Promise<string> {
  const path = `${directory}/host.ts`;
  const isolateProcess = JSON.stringify(new URL("./isolate_process.ts", import.meta.url));
  await Deno.writeTextFile(
    path,
    `import { IsolateProcess } from ${isolateProcess};
     const program = ${JSON.stringify(program)};
     const isolate = IsolateProcess.spawn({ ...program, onFrames: () => {} });
     console.log(isolate.pid);
     await isolate.exited;`,
  );
  return path;
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0]!;
}

function isRunning(pid: number): boolean {
  try {
    // A process that ended and was not waited for yet is a zombie.
    return !/\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}
