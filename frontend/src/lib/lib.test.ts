import { describe, expect, it } from "vitest";
import { ago, bytes, compact, duration, percent, timesFor } from "./format";
import { isReachable } from "./hooks";
import { insertPlaceholder, mistypedPlaceholder, openPlaceholder, pieces, placeholdersOf } from "./placeholders";
import { instantIn, wallIn } from "./zones";

describe("figures", () => {
  it("never round a share up to everyone", () => {
    expect(percent(0.99996)).toBe("99.9 %");
    expect(percent(1)).toBe("100 %");
  });
  it("show what is not known as a dash, not as zero", () => {
    expect(percent(null)).toBe("–");
    expect(percent(0)).toBe("0 %");
  });
  it("are exact below a hundred thousand", () => {
    expect(compact(99_999)).toBe("99,999");
    expect(compact(1_234_567)).toBe("1.2M");
  });
  it("are told in units a person uses", () => {
    expect(bytes(512 * 1024 * 1024)).toBe("512 MB");
    expect([0.25, 75, 7500, 3600, 86_400, 90_000].map((seconds) => duration(seconds))).toEqual(["250 ms", "1 min", "2 h 05 min", "1 h", "1 day", "25 h"]);
    expect([ago(0, 90_000), ago(600_000, 0)]).toEqual(["2 min ago", "in 10 min"]);
  });
});

describe("a moment", () => {
  const at = "2026-12-01T21:05:09Z";
  it("names its zone and is written as the viewer's locale does", () => {
    expect(timesFor("en-US", "America/New_York").dateTime(at).replaceAll("\u202f", " ")).toBe("Dec 1, 2026, 4:05 PM EST");
    expect(timesFor("en-GB", "Europe/London").dateTime(at)).toBe("1 Dec 2026, 21:05 GMT");
    expect(timesFor("de-DE", "Asia/Kolkata").dateTime(at)).toBe("2 Dec 2026, 02:35 GMT+5:30");
    expect(timesFor("hi-IN", "Asia/Kolkata").time(at)).toMatch(/^2:35:09.am$/i);
    expect(timesFor("fr-FR", "UTC").clockTime("2026-12-01T00:00:00Z")).toBe("00:00");
  });
});

describe("a device without a network", () => {
  it("reaches no server but one of its own", () => {
    expect([isReachable("ese.example.com", false), isReachable("ese.example.com", true)]).toEqual([false, true]);
    expect([isReachable("127.0.0.1", false), isReachable("localhost", false), isReachable("localhost.evil.test", false)]).toEqual([true, true, false]);
  });
});

describe("placeholders", () => {
  it("are found where they stand and lose nothing of the text", () => {
    const body = "Hi {name}, {city}! {not closed {name}";
    expect(pieces(body).map((piece) => piece.text).join("")).toBe(body);
    expect(placeholdersOf(body)).toEqual(["name", "city"]);
  });
  it("that are mistyped are told at once, with what to write instead", () => {
    expect(mistypedPlaceholder("Hi {first name}!")).toContain("{first name} is not a placeholder: write {first_name}");
    expect(mistypedPlaceholder("Hi {}")).toContain("write {name}");
    expect(mistypedPlaceholder("Hi {name|dear friend}, {still typing")).toBeNull();
  });
  it("replace the brace that was opened", () => {
    expect(openPlaceholder("Hi {na", 6)).toBe("na");
    expect(insertPlaceholder("Hi {na!", 6, "name")).toEqual({ body: "Hi {name}!", caret: 9 });
    expect(insertPlaceholder("Hi ", 3, "name")).toEqual({ body: "Hi {name}", caret: 9 });
  });
});

describe("times in a named zone", () => {
  it("name one instant in winter and in summer", () => {
    expect(instantIn("Europe/Lisbon", "2026-01-10T09:00").toISOString()).toBe("2026-01-10T09:00:00.000Z");
    expect(instantIn("Europe/Lisbon", "2026-07-10T09:00").toISOString()).toBe("2026-07-10T08:00:00.000Z");
    expect(instantIn("Asia/Kolkata", "2026-07-10T09:00").toISOString()).toBe("2026-07-10T03:30:00.000Z");
  });
  it("take the first of a time that occurs twice, and an hour later of one that does not occur", () => {
    expect(instantIn("Europe/Berlin", "2026-10-25T02:30").toISOString()).toBe("2026-10-25T00:30:00.000Z");
    expect(wallIn("Europe/Berlin", instantIn("Europe/Berlin", "2026-03-29T02:30"))).toBe("2026-03-29T03:30");
  });
  it("read back as they were written", () => {
    expect(wallIn("America/Chicago", instantIn("America/Chicago", "2026-11-20T18:30"))).toBe("2026-11-20T18:30");
  });
});
