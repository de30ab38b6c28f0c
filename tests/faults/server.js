// SPDX-License-Identifier: Apache-2.0
// tests/faults/server.js - a server that can be made ill: PORT serves, MODE_PORT takes GET /ok, /error, /slow, /mute.
// ok: 200 at once. error: 500. slow: 200 after 200 ms. mute: takes the request and never answers.
//
// Each POST /ID leaves lines in the file RECORD before it is answered: "seen ID" as soon as its head is there, then
// "done ID" when its body is there, which must be the ID some number of times, or else "torn ID". A line that is
// written survives kill -9, so the file has all that this server, in all its lives, may have carried out.
"use strict";
const fs = require("fs");
const http = require("http");
const SLOW_MS = 200;
const record = process.env.RECORD ? fs.openSync(process.env.RECORD, "a") : -1;
let mode = "ok";

function answer(response, status) {
    response.writeHead(status, {"Content-Length": 2, "Server": process.env.NAME});
    response.end("ok");
}

function respond(response) {
    if (mode === "mute")
        return;
    if (mode === "slow")
        setTimeout(answer, SLOW_MS, response, 200);
    else
        answer(response, mode === "error" ? 500 : 200);
}

function carryOut(request, response) {
    const id = request.url.slice(1), parts = [];
    fs.writeSync(record, `seen ${id}\n`);
    request.on("data", part => parts.push(part));
    request.on("end", () => {
        const isWhole = Buffer.concat(parts).toString().split(id).every(between => between === "");
        fs.writeSync(record, `${isWhole ? "done" : "torn"} ${id}\n`);
        respond(response);
    });
}

const server = http.createServer((request, response) => {
    if (request.method === "POST" && record >= 0) {
        carryOut(request, response);
    } else {
        request.resume();
        respond(response);
    }
});
server.keepAliveTimeout = 600000;
server.listen({port: Number(process.env.PORT), host: process.env.HOST || "127.0.0.1", backlog: 4096});

http.createServer((request, response) => {
    mode = request.url.slice(1);
    answer(response, 200);
}).listen(Number(process.env.MODE_PORT), process.env.HOST || "127.0.0.1");
