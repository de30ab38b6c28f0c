// SPDX-License-Identifier: Apache-2.0
// tests/faults/server.js - a server that can be made ill: PORT serves, MODE_PORT takes GET /ok, /error, /slow, /mute.
// ok: 200 at once. error: 500. slow: 200 after 200 ms. mute: takes the request and never answers.
"use strict";
const http = require("http");
const SLOW_MS = 200;
let mode = "ok";

function answer(response, status) {
    response.writeHead(status, {"Content-Length": 2, "Server": process.env.NAME});
    response.end("ok");
}

const server = http.createServer((request, response) => {
    request.resume();
    if (mode === "mute")
        return;
    if (mode === "slow")
        setTimeout(answer, SLOW_MS, response, 200);
    else
        answer(response, mode === "error" ? 500 : 200);
});
server.keepAliveTimeout = 600000;
server.listen({port: Number(process.env.PORT), host: process.env.HOST || "127.0.0.1", backlog: 4096});

http.createServer((request, response) => {
    mode = request.url.slice(1);
    answer(response, 200);
}).listen(Number(process.env.MODE_PORT), process.env.HOST || "127.0.0.1");
