/** Where everything of the diagram stands: side by side, or one above the other on a narrow screen. */

const FRONT = ["gateway", "web"]; // what browsers talk to
const ORDER = ["controller", "users", "activity", "notifications", "replica", "log_shipper"];

/** The services behind the broker: the chat's own in their order, then others. */
export function behind(names) {
  const known = ORDER.filter((name) => names.includes(name));
  return [...known, ...names.filter((name) => !ORDER.includes(name) && !FRONT.includes(name))];
}

/**
 * Boxes by name, and lines between them.
 *
 * A line is `{ of, way, d }`: of a service, what it gets (`in`), sends (`out`), does with `browsers`
 * or with its `store`.
 *
 * @param stores what keeps a service's data, by the service: a Map.
 */
export function layout(names, queues, stores, narrow) {
  return narrow ? upright(names, queues, stores) : abreast(names, queues, stores);
}

function abreast(names, queues, stores) {
  const services = behind(names);
  const height = Math.max(services.length * 98, queues * 30 + 64, 420);
  const row = Math.min(46, (height - 64) / Math.max(1, queues));
  const pitch = height / services.length;
  const boxes = {
    browsers: { x: 2, y: height / 2 - 45, w: 152, h: 90 },
    broker: { x: 522, y: 4, w: 270, h: height - 8, row },
  };
  const lines = [];
  FRONT.forEach((name, at) => {
    const box = { x: 212, y: height * (at ? 0.7 : 0.3) - 44, w: 206, h: 88 };
    const y = box.y + box.h / 2;
    boxes[name] = box;
    const bend = `H 184 V ${y} H ${box.x}`;
    const level = height / 2 + (at ? 16 : -16);
    lines.push({ of: name, way: "browsers", d: `M 154 ${level} ${bend}` });
    lines.push({ of: name, way: "out", d: `M ${box.x + box.w} ${y - 11} H 522` });
    lines.push({ of: name, way: "in", d: `M 522 ${y + 11} H ${box.x + box.w}` });
  });
  services.forEach((name, at) => {
    const box = { x: 896, y: pitch * (at + 0.5) - 44, w: 206, h: 88 };
    const y = box.y + box.h / 2;
    boxes[name] = box;
    lines.push({ of: name, way: "in", d: `M 792 ${y - 11} H 896` });
    lines.push({ of: name, way: "out", d: `M 896 ${y + 11} H 792` });
    if (!stores.has(name)) return;
    boxes[`store ${name}`] = { x: 1158, y: y - 34, w: 116, h: 68 };
    lines.push({ of: name, way: "store", d: `M 1102 ${y} H 1158` });
  });
  return { width: 1280, height, boxes, lines };
}

function upright(names, queues, stores) {
  const services = behind(names);
  const row = 27;
  const top = 290; // of the broker
  const broker = { x: 4, y: top, w: 352, h: queues * row + 58, row };
  const below = top + broker.h;
  const boxes = { browsers: { x: 100, y: 2, w: 160, h: 48 }, broker };
  const lines = [];
  FRONT.forEach((name, at) => {
    const box = { x: at ? 184 : 4, y: 108, w: 172, h: 88 };
    const x = box.x + box.w / 2;
    boxes[name] = box;
    lines.push({ of: name, way: "browsers", d: `M ${at ? 200 : 160} 50 V 78 H ${x} V ${box.y}` });
    lines.push({ of: name, way: "out", d: `M ${x - 11} ${box.y + box.h} V ${top}` });
    lines.push({ of: name, way: "in", d: `M ${x + 11} ${top} V ${box.y + box.h}` });
  });
  services.forEach((name, at) => {
    const box = { x: 62, y: below + 34 + at * 106, w: 180, h: 88 };
    const y = box.y + box.h / 2;
    boxes[name] = box;
    lines.push({ of: name, way: "in", d: `M 38 ${below} V ${y - 11} H ${box.x}` });
    lines.push({ of: name, way: "out", d: `M ${box.x} ${y + 11} H 18 V ${below}` });
    if (!stores.has(name)) return;
    boxes[`store ${name}`] = { x: 266, y: y - 30, w: 90, h: 60 };
    lines.push({ of: name, way: "store", d: `M ${box.x + box.w} ${y} H 266` });
  });
  return { width: 360, height: below + 34 + services.length * 106, boxes, lines };
}
