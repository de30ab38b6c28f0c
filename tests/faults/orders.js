// SPDX-License-Identifier: Apache-2.0
// tests/faults/orders.js - sends orders: POSTs at a given rate, each with an id of its own, and none of them twice.
//
//     node orders.js PORT RATE SECONDS
//
// The path is /ID; the body is the ID 0, 1 or 100 times (0, about 10, about 1,000 bytes), in turn. Prints "ID STATUS" for each, one
// a line; STATUS is "broken" if the connection ended before a whole answer, "none" if nothing came for 5 s after the end.
"use strict";
const http = require("http");
const [port, rate, seconds] = process.argv.slice(2).map(Number);
const TICK_MS = 5, GRACE_MS = 5000, TIMES = [0, 1, 100];
const agent = new http.Agent({keepAlive: true, maxSockets: 256});
const results = [];
let pending = 0, isOver = false;

function finish() {
    process.stdout.write(results.map((result, i) => `${idOf(i)} ${result}\n`).join(""), () => process.exit(0));
}

function idOf(number) {
    return `order-${number}.`;
}

function order() {
    const number = results.push("none") - 1, id = idOf(number);
    const body = id.repeat(TIMES[number % TIMES.length]);
    const settle = result => {
        if (results[number] !== "none")
            return;
        results[number] = result;
        if (--pending === 0 && isOver)
            finish();
    };
    pending++;
    const request = http.request({port, host: "127.0.0.1", path: `/${id}`, method: "POST", agent,
                                  headers: {"Content-Length": body.length}});
    request.on("response", response => {
        response.resume();
        response.on("end", () => settle(response.complete ? response.statusCode : "broken"));
        response.on("error", () => settle("broken"));
    });
    request.on("error", () => settle("broken"));
    request.end(body);
}

const began = Date.now();
const timer = setInterval(() => {
    const passedMs = Math.min(Date.now() - began, seconds * 1000);
    while (results.length < passedMs * rate / 1000)
        order();
    if (passedMs < seconds * 1000)
        return;
    clearInterval(timer);
    isOver = true;
    setTimeout(finish, GRACE_MS);
    if (pending === 0)
        finish();
}, TICK_MS);
