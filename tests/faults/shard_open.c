/* SPDX-License-Identifier: Apache-2.0 */
/* faults/shard_open.c - opens a shard's folder as Pando does, again and again: what is there, and
 * what is damaged.
 *
 *     pando-shard-open FOLDER LAYOUT      then a line on the standard input for each look
 *
 * LAYOUT is what the file says of itself ("hash, shard 0 of 1, ..."). Each look is a process of its
 * own, since a damaged file may end it, and prints all or nothing, then "end" and how it ended:
 *
 *     refused STORY                       the shard did not open
 *     found SENTENCE                      of lmdb_check()
 *     string KEY_BYTES BYTES, key, bytes  and for each field of a hash: field, with its name
 *     field KEY_BYTES NAME_BYTES BYTES, key, name, bytes
 *     end STATUS                          0, or the number of the signal */
#include "engine/lmdb/check/lmdb_check.h"
#include "engine/lmdb/space/lmdb_space.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct look {
    FILE             *out;
    struct lmdb_shard shard;
    struct lmdb_space reader;
};

static void print_bytes(FILE *out, struct bytes bytes)
{
    (void)fwrite(bytes.at, 1, bytes.count, out);
}

static void report(void *self, const char *sentence)
{
    struct look *look = self;
    fprintf(look->out, "found %s\n", sentence);
}

static void print_fields(struct look *look, struct bytes key, struct space_value *value)
{
    struct space *space = &look->reader.space;
    struct space_cursor cursor = {.space = space, .value = value};
    for (space->kind->seek(&cursor, (struct bytes){0}); cursor.is_there;
         space->kind->next(&cursor)) {
        const struct bytes name = {cursor.key.at + SPACE_MEMBER_HASH_BYTES,
                                   cursor.key.count - SPACE_MEMBER_HASH_BYTES};
        fprintf(look->out, "field %zu %zu %zu\n", key.count, name.count, cursor.member_value.count);
        print_bytes(look->out, key);
        print_bytes(look->out, name);
        print_bytes(look->out, cursor.member_value);
    }
}

/* A walk does not put long strings together, so each key is asked for. */
static bool print_key(void *self, struct bytes key, const struct space_value *seen)
{
    struct look *look = self;
    struct space *space = &look->reader.space;
    struct space_value value;
    (void)seen;
    if (space->kind->find(space, key, &value) != SPACE_OK) {
        fprintf(look->out, "found a key that cannot be read\n");
    } else if (value.type == KEY_HASH) {
        print_fields(look, key, &value);
    } else if (value.type == KEY_STRING) {
        fprintf(look->out, "string %zu %zu\n", key.count, value.string.count);
        print_bytes(look->out, key);
        print_bytes(look->out, value.string);
    }
    return true;
}

static void look_at(struct look *look, const struct lmdb_settings *settings)
{
    struct err e = {0};
    struct lmdb_checked checked;
    uint64_t position = 0;
    if (lmdb_shard_open(&look->shard, settings, &e) != ERR_NONE) {
        fprintf(look->out, "refused %s\n", e.story);
        return;
    }
    if (lmdb_check(&look->shard, report, look, &checked, &e) != ERR_NONE)
        fprintf(look->out, "found %s\n", e.story);
    lmdb_space_init(&look->reader, &look->shard, false);
    if (lmdb_space_read(&look->reader) != SPACE_OK)
        fprintf(look->out, "found no state that can be read\n");
    else
        while (position < SPACE_SCAN_END) {
            look->reader.space.kind->scan(&look->reader.space, &position, 1000, print_key, look);
            lmdb_space_rest(&look->reader);
        }
    lmdb_space_fini(&look->reader);
    lmdb_shard_close(&look->shard);
}

static void look_once(const struct lmdb_settings *settings)
{
    static struct look look;
    char *text = NULL;
    size_t bytes = 0;
    look.out = open_memstream(&text, &bytes);
    if (look.out == NULL)
        _exit(1);
    look_at(&look, settings);
    (void)fclose(look.out);
    (void)fwrite(text, 1, bytes, stdout);
    (void)fflush(stdout);
    free(text);
    _exit(0);
}

int main(int count, char **words)
{
    char line[16];
    if (count != 3) {
        fprintf(stderr, "usage: pando-shard-open FOLDER LAYOUT\n");
        return 2;
    }
    const struct lmdb_settings settings = {.folder = words[1], .layout = words[2]};
    while (fgets(line, sizeof line, stdin) != NULL) {
        int status = 0;
        const pid_t child = fork();
        if (child == 0)
            look_once(&settings);
        if (child < 0 || waitpid(child, &status, 0) != child)
            return 1;
        printf("end %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        (void)fflush(stdout);
    }
    return 0;
}
