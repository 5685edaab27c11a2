// Uses the functions that orval generates, and prints what it got as JSON.
import { batch, createTask, deleteTask, getTask, listTasks, patchTask } from "./generated.js";

// The generated functions take the address of the page that they run on, and there is none.
const [, , baseUrl, token] = process.argv;
const fetchAnywhere = globalThis.fetch;
globalThis.fetch = (path, options) =>
  fetchAnywhere(baseUrl + String(path), { ...options, headers: { ...options?.headers, Authorization: `Bearer ${token}` } });

const created = await createTask(
  {
    description: "Water the plants",
    due_at: "2026-11-24T18:00:00+00:00",
    labels: ["home"],
    metadata: { room: 4, deep: [{ n: null }] },
  },
  { headers: { "Idempotency-Key": "a key" } },
);
if (created.status !== 201) throw new Error(created.data.detail);
const { id } = created.data;
const patched = await patchTask(id, { done: true, due_at: null });
if (patched.status !== 200) throw new Error(patched.data.detail);
const several = await batch([
  { op: "create", task: { description: "Feed the cat", labels: ["home"], priority: 5 } },
  { op: "update", id, patch: { priority: 9 } },
  { op: "create", task: { description: "Goes at once" } },
  { op: "delete", id: id + 2 },
]);
if (several.status !== 200) throw new Error(several.data.detail);
const listed = await listTasks({ label: ["home"], limit: 10 });
if (listed.status !== 200) throw new Error(listed.data.detail);
const deleted = await deleteTask(id);
const gone = await getTask(id);
if (gone.status !== 404) throw new Error("it is still there");

console.log(
  JSON.stringify({
    created: [id, created.data.due_at, created.data.metadata],
    patched: [patched.data.done, patched.data.due_at, patched.data.version],
    batch: several.data.results.map((result) => [result.op, result.id, result.task?.priority ?? null]),
    listed: listed.data.map((task) => task.id),
    deleted: deleted.status,
    gone: [gone.data.status, gone.data.type],
  }),
);
