import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLifeboatError } from "./errors.ts";
import { ID_LENGTH, ID_RANDOM_BYTES, isId, makeId, resolveId, timeOfId } from "./ids.ts";

const instants = fc.date({ min: new Date(0), max: new Date("3084-01-01T00:00:00Z"), noInvalidDate: true });
const chance = fc.uint8Array({ minLength: ID_RANDOM_BYTES, maxLength: 16 });

test("ids are fourteen lower-case characters that sort by instant and contain it", () => {
  fc.assert(
    fc.property(instants, instants, chance, chance, (a, b, one, two) => {
      const [first, second] = [makeId(a, one), makeId(b, two)];
      assert.equal(first.length, ID_LENGTH);
      assert.match(first, /^[0-9a-hjkmnp-tv-z]+$/);
      assert.ok(isId(first));
      assert.deepEqual(timeOfId(first), a);
      if (a < b) assert.ok(first < second);
    }),
  );
});

test("ids of the same millisecond differ by their random part", () => {
  const at = new Date("2026-11-21T02:00:00Z");
  const ids = new Set(Array.from({ length: 32 }, (_, i) => makeId(at, new Uint8Array([0, 0, 0, 0, i]))));
  assert.equal(ids.size, 32);
  assert.throws(() => makeId(at, new Uint8Array(4)), /5 random bytes/);
  assert.throws(() => makeId(new Date(-1), new Uint8Array(5)), /1970/);
  assert.throws(() => makeId(new Date(Number.NaN), new Uint8Array(5)), /1970/);
});

test("text that is not an id is not accepted as one", () => {
  const id = makeId(new Date("2026-11-21T02:00:00Z"), new Uint8Array(5));
  for (const text of ["", id.slice(1), `${id}0`, id.toUpperCase(), `${id.slice(1)}u`, `${id.slice(1)}-`]) assert.ok(!isId(text), text);
});

const ids = ["01aaaaaaaaaaaa", "01aabbbbbbbbbb", "02cccccccccccc"];

test("the first characters of an id are enough, and commonly misread ones are corrected", () => {
  assert.equal(resolveId("02", ids), "02cccccccccccc");
  assert.equal(resolveId(" O2C", ids), "02cccccccccccc");
  assert.equal(resolveId("olaab", ids), "01aabbbbbbbbbb");
  assert.equal(resolveId("01aaaaaaaaaaaa", ids), "01aaaaaaaaaaaa");
  assert.equal(resolveId("02", [...ids, ...ids]), "02cccccccccccc");
});

test("an unknown or ambiguous id is refused with the likely ones", () => {
  assert.throws(
    () => resolveId("01", ids),
    (error) => isLifeboatError(error, "POINT_AMBIGUOUS") && /2 restore points.*01aaaa.*01aabb/.test(error.message),
  );
  assert.throws(
    () => resolveId("02ccccccccccdc", ids),
    (error) => isLifeboatError(error, "POINT_UNKNOWN") && /did you mean "02cccccccccccc"/.test(error.message),
  );
  for (const typed of ["", " ", "zz"])
    assert.throws(
      () => resolveId(typed, ids),
      (error) => isLifeboatError(error, "POINT_UNKNOWN"),
    );
  assert.throws(
    () => resolveId("x", []),
    (error) => isLifeboatError(error, "POINT_UNKNOWN"),
  );
});

test("every prefix either finds its id or is ambiguous", () => {
  const made = fc.array(fc.tuple(instants, chance), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(made, fc.nat(), fc.integer({ min: 1, max: ID_LENGTH }), (facts, pick, length) => {
      const all = [...new Set(facts.map(([at, random]) => makeId(at, random)))];
      const id = all[pick % all.length] ?? "";
      const rivals = all.filter((other) => other.startsWith(id.slice(0, length)));
      if (rivals.length === 1) assert.equal(resolveId(id.slice(0, length), all), id);
      else
        assert.throws(
          () => resolveId(id.slice(0, length), all),
          (error) => isLifeboatError(error, "POINT_AMBIGUOUS"),
        );
    }),
  );
});
