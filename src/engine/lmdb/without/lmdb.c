/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/without/lmdb.c - stands in for engine/lmdb where the build is without liblmdb.
 *
 * No shard can be opened, so nothing else is ever called. */
#include "engine/lmdb/backup/lmdb_backup.h"
#include "engine/lmdb/backup/lmdb_lay.h"
#include "engine/lmdb/check/lmdb_check.h"
#include "engine/lmdb/lmdb_stage.h"
#include "engine/lmdb/lmdb_visit.h"

#include <assert.h>

const bool lmdb_is_built = false;

enum err_kind lmdb_shard_open(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                              struct err *e)
{
    *shard = (struct lmdb_shard){0};
    return err_set(e, ERR_INPUT, "open %.150s: engine lmdb is not in this build", settings->folder);
}

void lmdb_shard_close(struct lmdb_shard *shard)
{
    assert(shard->env == NULL);
}

uint64_t lmdb_shard_count(struct lmdb_shard *shard)
{
    assert(shard->env == NULL);
    return 0;
}

void lmdb_shard_check_readers(struct lmdb_shard *shard)
{
    assert(shard->env != NULL);
}

void lmdb_writer_init(struct lmdb_writer *writer, struct lmdb_shard *shard,
                      uint64_t value_bytes_max, uint64_t seed)
{
    (void)value_bytes_max;
    (void)seed;
    assert(writer != NULL && shard->env != NULL);
}

enum err_kind lmdb_writer_start(struct lmdb_writer *writer, struct err *e)
{
    assert(writer == NULL);
    return err_set(e, ERR_INPUT, "engine lmdb is not in this build");
}

void lmdb_writer_stop(struct lmdb_writer *writer)
{
    assert(writer->shard == NULL);
}

void lmdb_writer_tick(struct lmdb_writer *writer, uint64_t now_ms)
{
    (void)now_ms;
    assert(writer == NULL);
}

uint64_t lmdb_writer_mark(struct lmdb_writer *writer)
{
    assert(writer->shard == NULL);
    return 0;
}

bool lmdb_writer_has_done(struct lmdb_writer *writer, uint64_t mark)
{
    assert(writer->shard == NULL);
    return mark == 0;
}

enum space_result lmdb_shard_visit(struct lmdb_shard *shard, uint64_t now_ms, space_visit *visit,
                                   void *self)
{
    (void)now_ms;
    (void)visit;
    (void)self;
    assert(shard->env != NULL);
    return SPACE_FAILED;
}

void lmdb_stage_init(struct lmdb_stage *stage, const struct lmdb_stage_options *options)
{
    assert(stage != NULL && options->shard->env != NULL);
}

void lmdb_stage_fini(struct lmdb_stage *stage)
{
    assert(stage->shard == NULL);
}

enum err_kind lmdb_check(struct lmdb_shard *shard, lmdb_report *report, void *self,
                         struct lmdb_checked *checked, struct err *e)
{
    (void)report;
    (void)self;
    (void)checked;
    assert(shard->env != NULL);
    return err_set(e, ERR_INPUT, "engine lmdb is not in this build");
}

enum err_kind lmdb_shard_look(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                              struct err *e)
{
    return lmdb_shard_open(shard, settings, e);
}

enum err_kind lmdb_shard_enter(struct lmdb_shard *shard, struct MDB_txn *txn,
                               char layout[LMDB_LAYOUT_MAX], struct err *e)
{
    layout[0] = '\0';
    assert(txn != NULL && shard->env != NULL);
    return err_set(e, ERR_INPUT, "engine lmdb is not in this build");
}

bool lmdb_shard_is_short(struct lmdb_shard *shard)
{
    assert(shard->env != NULL);
    return false;
}

int lmdb_shard_holder(const struct lmdb_settings *settings)
{
    (void)settings;
    return 0;
}

enum err_kind lmdb_backup_begin(struct lmdb_backup_part *parts, size_t count, struct err *e)
{
    assert(parts != NULL);
    return count == 0 ? ERR_NONE : err_set(e, ERR_INPUT, "engine lmdb is not in this build");
}

void lmdb_backup_end(struct lmdb_backup_part *parts, size_t count)
{
    assert(count == 0 || parts->txn == NULL);
}

enum err_kind lmdb_backup_write(const struct lmdb_backup_part *part, struct backup_writer *writer,
                                struct err *e)
{
    assert(part == NULL && writer != NULL);
    return err_set(e, ERR_INPUT, "engine lmdb is not in this build");
}

enum err_kind lmdb_lay_open(struct lmdb_lay *lay, const struct lmdb_settings *settings,
                            struct err *e)
{
    *lay = (struct lmdb_lay){0};
    return lmdb_shard_open(&lay->shard, settings, e);
}

enum err_kind lmdb_lay_item(struct lmdb_lay *lay, const struct backup_item *item, struct err *e)
{
    assert(lay == NULL && item != NULL);
    return err_set(e, ERR_INPUT, "engine lmdb is not in this build");
}

enum err_kind lmdb_lay_end(struct lmdb_lay *lay, struct err *e)
{
    assert(lay == NULL);
    return err_set(e, ERR_INPUT, "engine lmdb is not in this build");
}

void lmdb_lay_close(struct lmdb_lay *lay)
{
    assert(lay->shard.env == NULL);
}
