// One process of emmett writers, through emmett's own client. Speaks the line protocol of `writer.py`.
// node emmett.cjs FOLDER, where FOLDER holds node_modules.
"use strict";

const { createRequire } = require("node:module");
const { randomUUID } = require("node:crypto");
const path = require("node:path");
const readline = require("node:readline");

const installed = createRequire(path.join(path.resolve(process.argv[2]), "package.json"));
const { getPostgreSQLEventStore } = installed("@event-driven-io/emmett-postgresql");
const pg = installed("pg");

async function main() {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const job = JSON.parse((await lines.next()).value);
  const pool = new pg.Pool({ connectionString: job.dsn, max: job.connections, min: job.connections });
  const store = getPostgreSQLEventStore(job.dsn, {
    schema: { autoMigration: "None" },
    connectionOptions: { pooled: true, pool },
  });
  if (job.install) {
    await store.schema.migrate();
  } else {
    const event = { type: job.topic, data: JSON.parse(job.state) };
    const writeFor = async (seconds) => {
      const until = performance.now() + seconds * 1000;
      let appended = 0;
      const write = async () => {
        while (performance.now() < until) {
          await store.appendToStream(randomUUID(), [event], { expectedStreamVersion: "STREAM_DOES_NOT_EXIST" });
          appended += 1;
        }
      };
      await Promise.all(Array.from({ length: job.writers }, write));
      return appended;
    };
    await writeFor(job.warm_up_s);
    process.stdout.write("ready\n");
    await lines.next();
    const began = performance.now();
    const appended = await writeFor(job.seconds);
    process.stdout.write(JSON.stringify({ appended, elapsed_s: (performance.now() - began) / 1000 }) + "\n");
  }
  await store.close();
  await pool.end().catch(() => {}); // the store may have ended it
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack ?? error}\n`);
  process.exit(1);
});
