// A worker that starts one process after another: while one is forked, it has copies of all
// descriptors of this process.

const started = () => new Deno.Command(Deno.execPath(), { args: ["--version"] }).output();

await started();
(globalThis as unknown as Worker).postMessage("starting");
for (;;) await started();
