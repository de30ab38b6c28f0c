/* SPDX-License-Identifier: Apache-2.0 */
/* main/node_id.c - drawn once, and kept in the data folder. */
#include "main/node_id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static bool is_id(const char *text)
{
    return strspn(text, "0123456789abcdef") == RESP_NODE_ID_BYTES;
}

static void draw(char id[RESP_NODE_ID_BYTES + 1])
{
    uint8_t bytes[RESP_NODE_ID_BYTES / 2] = {0};
    (void)!getrandom(bytes, sizeof bytes, 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

static bool read_file(int folder, char id[RESP_NODE_ID_BYTES + 1])
{
    char text[RESP_NODE_ID_BYTES + 2] = "";
    const int fd = openat(folder, "node-id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const ssize_t bytes = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (bytes < RESP_NODE_ID_BYTES || !is_id(text))
        return false;
    memcpy(id, text, RESP_NODE_ID_BYTES);
    return true;
}

/* Beside it first, so that a kill leaves no half of one. */
static enum err_kind write_file(int folder, const char *id, struct err *e)
{
    char line[RESP_NODE_ID_BYTES + 2];
    const int count = snprintf(line, sizeof line, "%s\n", id);
    const int fd = openat(folder, "node-id.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(e, "make the file node-id.new");
    const bool ok = write(fd, line, (size_t)count) == count && fsync(fd) == 0;
    (void)close(fd);
    if (!ok || renameat(folder, "node-id.new", folder, "node-id") != 0)
        return err_set_errno(e, "write the file node-id");
    return ERR_NONE;
}

enum err_kind node_id_read(const char *data, char id[RESP_NODE_ID_BYTES + 1], struct err *e)
{
    const int folder = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err_kind failed = ERR_NONE;
    if (folder >= 0 && read_file(folder, id)) {
        (void)close(folder);
        return ERR_NONE;
    }
    draw(id);
    if (folder >= 0) {
        failed = write_file(folder, id, e);
        (void)close(folder);
    }
    return failed == ERR_NONE ? failed : err_wrap(e, "%s", data);
}
