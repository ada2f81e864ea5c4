import assert from "node:assert/strict";
import { test } from "node:test";
import { B24Hook } from "@bitrix24/b24jssdk";

const told = JSON.parse(process.env.SANDBOX);
const b24 = B24Hook.fromWebhookUrl(told.bitrix24.webhook_url.replace(told.bitrix24.url, told.https));

test("a call gives what the portal has", async () => {
  const answer = await b24.actions.v2.call.make({ method: "crm.item.get", params: { entityTypeId: 2, id: told.bitrix24.deals[0] } });
  assert.ok(answer.isSuccess, answer.getErrorMessages().join());
  const { item } = answer.getData().result;
  assert.equal(item.id, told.bitrix24.deals[0]);
  assert.equal(typeof item.stageId, "string");
});

test("a list is walked to its end", async () => {
  const answer = await b24.actions.v2.callList.make({
    method: "crm.item.list", params: { entityTypeId: 2, select: ["id", "title"] }, idKey: "id", customKeyForResult: "items",
  });
  assert.ok(answer.isSuccess, answer.getErrorMessages().join());
  const ids = answer.getData().map((item) => item.id);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(ids.length, 60);
});

test("a batch answers each of its calls", async () => {
  const answer = await b24.actions.v2.batch.make({
    calls: {
      deal: ["crm.item.get", { entityTypeId: 2, id: told.bitrix24.deals[0] }],
      users: ["user.get", {}],
      gone: ["crm.item.get", { entityTypeId: 2, id: 999999 }],
    },
    options: { isHaltOnError: false, returnAjaxResult: true },
  });
  const data = answer.getData();
  assert.equal(data.deal.getData().result.item.id, told.bitrix24.deals[0]);
  assert.equal(data.users.getData().result.length, 6);
  assert.equal(data.gone.isSuccess, false);
});

test("a deal is added, moved and read back", async () => {
  const call = async (method, params) => {
    const answer = await b24.actions.v2.call.make({ method, params });
    assert.ok(answer.isSuccess, answer.getErrorMessages().join());
    return answer.getData().result;
  };
  const { item } = await call("crm.item.add", { entityTypeId: 2, fields: { title: "From the SDK", opportunity: 12.5 } });
  await call("crm.item.update", { entityTypeId: 2, id: item.id, fields: { stageId: "WON" } });
  const read = await call("crm.item.get", { entityTypeId: 2, id: item.id });
  assert.deepEqual([read.item.title, read.item.stageId, read.item.stageSemanticId], ["From the SDK", "WON", "S"]);
});

test("a refusal reaches the caller with its code", async () => {
  await assert.rejects(
    b24.actions.v2.call.make({ method: "crm.item.get", params: { entityTypeId: 2, id: 999999 } })
      .then((answer) => { if (!answer.isSuccess) throw [...answer.getErrors()][0]; }),
    (error) => error.code === "NOT_FOUND",
  );
});

test("the older methods answer in capital letters and in the order that is asked for", async () => {
  const call = async (method, params) => {
    const answer = await b24.actions.v2.call.make({ method, params });
    assert.ok(answer.isSuccess, answer.getErrorMessages().join());
    return answer.getData().result;
  };
  const deals = await call("crm.deal.list", { order: { ID: "DESC" }, filter: { "<=ID": 60, "@STAGE_ID": ["NEW", "WON"] }, select: ["ID", "TITLE"] });
  const ids = deals.map((deal) => Number(deal.ID));
  assert.deepEqual(ids, [...ids].sort((a, b) => b - a));
  assert.deepEqual(Object.keys(deals[0]).sort(), ["ID", "TITLE"]);
  const items = await call("crm.item.list", { entityTypeId: 2, order: { ID: "ASC" }, select: ["id"] });
  assert.equal(items.items[0].id, 1);
  const several = await call("crm.item.get", { entityTypeId: 2, id: 1 });
  const lists = Object.values(several.item).filter((value) => Array.isArray(value) && value.length > 1);
  assert.ok(lists.length >= 10, "fields with several values are in the first data");
});
