// Uses the client that @hey-api/openapi-ts generates, and prints what it got as JSON.
import { client } from "./generated/client.gen.js";
import { batch, createTask, deleteTask, getTask, listTasks, patchTask } from "./generated/index.js";

const [, , baseUrl, token] = process.argv;
client.setConfig({ baseUrl, auth: token });

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("an answer has no data");
  return value;
}

const created = there(
  (
    await createTask({
      headers: { "Idempotency-Key": "a key" },
      body: {
        description: "Water the plants",
        due_at: "2026-11-24T18:00:00+00:00",
        labels: ["home"],
        metadata: { room: 4, deep: [{ n: null }] },
      },
    })
  ).data,
);
const path = { id: created.id };
const patched = there((await patchTask({ path, body: { done: true, due_at: null } })).data);
const several = there(
  (
    await batch({
      body: [
        { op: "create", task: { description: "Feed the cat", labels: ["home"], priority: 5 } },
        { op: "update", id: created.id, patch: { priority: 9 } },
        { op: "create", task: { description: "Goes at once" } },
        { op: "delete", id: created.id + 2 },
      ],
    })
  ).data,
);
const listed = there((await listTasks({ query: { label: ["home"], limit: 10 } })).data);
const deleted = await deleteTask({ path });
const gone = there((await getTask({ path })).error);

console.log(
  JSON.stringify({
    created: [created.id, created.due_at, created.metadata],
    patched: [patched.done, patched.due_at, patched.version],
    batch: several.results.map((result) => [result.op, result.id, result.task?.priority ?? null]),
    listed: listed.map((task) => task.id),
    deleted: deleted.response?.status,
    gone: [gone.status, gone.type],
  }),
);
