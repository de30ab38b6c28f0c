/* SPDX-License-Identifier: Apache-2.0 */
/* agent/proc.c - the kernel's texts, read by small steps that stop at the first surprise. */
#include "agent/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits at *at, which moves over them and the blanks before. */
static bool take_number(const char **at, uint64_t *value)
{
    char *end;
    const char *from = *at + strspn(*at, " \t");
    if (*from < '0' || *from > '9')
        return false;
    *value = strtoull(from, &end, 10);
    *at = end;
    return true;
}

static bool is_end(const char *at)
{
    return at[strspn(at, " \t\r\n")] == '\0';
}

bool proc_read_number(const char *text, uint64_t *value)
{
    uint64_t read;
    if (strncmp(text, "max", 3) == 0 && is_end(text + 3)) {
        *value = PROC_NO_LIMIT;
        return true;
    }
    if (strncmp(text, "-1", 2) == 0 && is_end(text + 2)) {
        *value = PROC_NO_LIMIT;
        return true;
    }
    if (!take_number(&text, &read) || !is_end(text))
        return false;
    *value = read;
    return true;
}

/* The next line's first byte, or NULL. */
static const char *next_line(const char *at)
{
    const char *end = strchr(at, '\n');
    return end == NULL || end[1] == '\0' ? NULL : end + 1;
}

bool proc_read_field(const char *text, const char *name, uint64_t *value)
{
    const size_t bytes = strlen(name);
    for (const char *at = text; at != NULL; at = next_line(at)) {
        if (strncmp(at, name, bytes) != 0)
            continue;
        const char *after = at + bytes;
        if (*after == ':')
            after++;
        if (*after == ' ' || *after == '\t')
            return take_number(&after, value);
    }
    return false;
}

bool proc_read_stat(const char *text, struct proc_ticks *ticks)
{
    enum { USER, NICE, SYSTEM, IDLE, WAIT, IRQ, SOFTIRQ, STEAL, KINDS };
    uint64_t at[KINDS] = {0}, all = 0;
    int count = 0;
    if (strncmp(text, "cpu ", 4) != 0)
        return false;
    for (const char *here = text + 4; count < KINDS && take_number(&here, &at[count]); count++)
        all += at[count];
    if (count <= IDLE)
        return false;
    *ticks = (struct proc_ticks){.all = all, .busy = all - at[IDLE] - at[WAIT]};
    return true;
}

bool proc_read_process(const char *text, struct proc_process *process)
{
    enum { STATE = 3, USER = 14, SYSTEM = 15, RESIDENT = 24 };
    uint64_t user = 0, system = 0;
    const char *at = strrchr(text, ')');
    if (at == NULL)
        return false;
    at++;
    for (int field = STATE; field <= RESIDENT; field++) {
        at += strspn(at, " ");
        const size_t bytes = strcspn(at, " \n");
        if (bytes == 0)
            return false;
        if (field == USER)
            user = strtoull(at, NULL, 10);
        if (field == SYSTEM)
            system = strtoull(at, NULL, 10);
        if (field == RESIDENT)
            *process = (struct proc_process){.ticks = user + system,
                                             .resident_pages = strtoull(at, NULL, 10)};
        at += bytes;
    }
    return true;
}

bool proc_read_pressure(const char *text, uint64_t *waited_us)
{
    if (strncmp(text, "some ", 5) != 0)
        return false;
    const char *total = strstr(text, "total=");
    if (total == NULL)
        return false;
    total += strlen("total=");
    return take_number(&total, waited_us);
}

bool proc_read_cpu_max(const char *text, double *processors)
{
    uint64_t quota, period;
    if (strncmp(text, "max", 3) == 0) {
        *processors = 0;
        return true;
    }
    if (!take_number(&text, &quota) || !take_number(&text, &period) || !is_end(text) || period == 0)
        return false;
    *processors = (double)quota / (double)period;
    return true;
}

/* "  0: 0100007F:1F90 0200007F:C2A4 01 ..." */
bool proc_is_connection(const char *line, uint16_t port)
{
    enum { ESTABLISHED = 1 };
    unsigned local, state;
    return sscanf(line, " %*u: %*32[0-9A-F]:%4x %*32[0-9A-F]:%*4x %2x", &local, &state) == 2 &&
           local == port && state == ESTABLISHED;
}

bool proc_read_report(const char *text, struct proc_report *report)
{
    struct proc_report read = {0};
    for (const char *at = text + strspn(text, " \t\r\n,"); *at != '\0';
         at += strspn(at, " \t\r\n,")) {
        uint64_t *value = strncmp(at, "rif=", 4) == 0 ? &read.rif : &read.latency_us;
        if (value == &read.latency_us && strncmp(at, "latency_us=", 11) != 0)
            return false;
        *(value == &read.rif ? &read.has_rif : &read.has_latency) = true;
        at += value == &read.rif ? 4 : 11;
        if (!take_number(&at, value) || strchr(" \t\r\n,", *at) == NULL)
            return false;
    }
    *report = read;
    return read.has_rif || read.has_latency;
}

/* --- cgroups ---------------------------------------------------------------------------------- */

/* Is @word one of those between commas in the @bytes of @list? */
static bool lists(const char *list, size_t bytes, const char *word)
{
    const size_t word_bytes = strlen(word);
    for (size_t at = 0; at <= bytes;) {
        size_t end = at;
        while (end < bytes && list[end] != ',')
            end++;
        if (end - at == word_bytes && memcmp(list + at, word, word_bytes) == 0)
            return true;
        at = end + 1;
    }
    return false;
}

static bool copy(char *out, size_t room, const char *from, size_t bytes)
{
    if (bytes >= room)
        return false;
    memcpy(out, from, bytes);
    out[bytes] = '\0';
    return true;
}

/* "4:memory:/path" */
bool proc_find_cgroup(const char *text, const char *controller, char *path, size_t room)
{
    for (const char *line = text; line != NULL; line = next_line(line)) {
        const size_t bytes = strcspn(line, "\n");
        const char *names = memchr(line, ':', bytes);
        const char *at =
            names == NULL ? NULL : memchr(names + 1, ':', bytes - (size_t)(names + 1 - line));
        if (at != NULL && lists(names + 1, (size_t)(at - names - 1), controller))
            return copy(path, room, at + 1, bytes - (size_t)(at + 1 - line));
    }
    return false;
}

/* The fields of a line that are between blanks; how many. */
static size_t split(const char *line, size_t bytes, const char **at, size_t *lengths, size_t most)
{
    size_t count = 0, used = 0;
    while (used < bytes && count < most) {
        const size_t here = strcspn(line + used, " \n");
        at[count] = line + used;
        lengths[count++] = here;
        used += here + 1;
    }
    return count;
}

/* "36 25 0:32 /root /point opts tag... - type source superopts" */
static bool is_mount_of(const char *line, size_t bytes, const char *controller,
                        struct proc_mount *mount)
{
    enum { ROOT = 3, POINT = 4, WORDS = 24 };
    const char *at[WORDS];
    size_t lengths[WORDS];
    const size_t count = split(line, bytes, at, lengths, WORDS);
    size_t dash = POINT + 1;
    while (dash < count && !(lengths[dash] == 1 && *at[dash] == '-'))
        dash++;
    if (dash + 3 >= count)
        return false;
    const bool is_second = lengths[dash + 1] == 7 && memcmp(at[dash + 1], "cgroup2", 7) == 0;
    const bool is_first = lengths[dash + 1] == 6 && memcmp(at[dash + 1], "cgroup", 6) == 0;
    if (controller[0] == '\0' ? !is_second
                              : !is_first || !lists(at[dash + 3], lengths[dash + 3], controller))
        return false;
    return copy(mount->root, sizeof mount->root, at[ROOT], lengths[ROOT]) &&
           copy(mount->point, sizeof mount->point, at[POINT], lengths[POINT]);
}

bool proc_find_mount(const char *text, const char *controller, struct proc_mount *mount)
{
    for (const char *line = text; line != NULL; line = next_line(line)) {
        if (is_mount_of(line, strcspn(line, "\n"), controller, mount))
            return true;
    }
    return false;
}

bool proc_join_cgroup(const struct proc_mount *mount, const char *path, char *folder, size_t room)
{
    const size_t root_bytes = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);
    const char *below = "";
    if (strncmp(path, mount->root, root_bytes) == 0 &&
        (path[root_bytes] == '/' || path[root_bytes] == '\0'))
        below = path + root_bytes;
    if (strcmp(below, "/") == 0 || strstr(below, "/..") != NULL)
        below = "";
    const int bytes = snprintf(folder, room, "%s%s", mount->point, below);
    return bytes > 0 && (size_t)bytes < room;
}
