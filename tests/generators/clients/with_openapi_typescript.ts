// Uses the types that openapi-typescript generates with openapi-fetch, and prints what it got as JSON.
import createClient from "openapi-fetch";
import type { paths } from "./generated.js";

const [, , baseUrl, token] = process.argv;
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("an answer has no data");
  return value;
}

const created = there(
  (
    await client.POST("/tasks/", {
      params: { header: { "Idempotency-Key": "a key" } },
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
const patched = there((await client.PATCH("/tasks/{id}", { params: { path }, body: { done: true, due_at: null } })).data);
const several = there(
  (
    await client.POST("/tasks/batch", {
      body: [
        { op: "create", task: { description: "Feed the cat", labels: ["home"], priority: 5 } },
        { op: "update", id: created.id, patch: { priority: 9 } },
        { op: "create", task: { description: "Goes at once" } },
        { op: "delete", id: created.id + 2 },
      ],
    })
  ).data,
);
const listed = there((await client.GET("/tasks/", { params: { query: { label: ["home"], limit: 10 } } })).data);
const deleted = await client.DELETE("/tasks/{id}", { params: { path } });
const gone = there((await client.GET("/tasks/{id}", { params: { path } })).error);

console.log(
  JSON.stringify({
    created: [created.id, created.due_at, created.metadata],
    patched: [patched.done, patched.due_at, patched.version],
    batch: several.results.map((result) => [result.op, result.id, result.task?.priority ?? null]),
    listed: listed.map((task) => task.id),
    deleted: deleted.response.status,
    gone: [gone.status, gone.type],
  }),
);
