/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_shard.c - opening an environment, what it says of itself, its limits.
 *
 * Opening: make the folders and, where there is none, the file, with its databases and META
 * (lmdb_make.c); map it, clear dead readers, then in one writing transaction open the databases and
 * read META. A file that was cut short is filled up with zeros, which LMDB calls damaged, since
 * reading behind its end would be a SIGBUS. */
#include "engine/lmdb/lmdb_shard.h"

#include "engine/lmdb/space/record.h"
#include "engine/lmdb/sync/lmdb_sync.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    PROBE_BYTES = 1 << 20,
    NEW_MAP_BYTES = 1 << 20, /* while a file is made */
    HEAD_NUMBER_AT = 144,    /* of the transaction, in a page that is a head */
    HEAD_TRIES = 10,
};

/* The one record of META, under its own name. */
struct meta {
    uint64_t sum;
    uint32_t format;
    uint32_t is_ordered;
    uint64_t secret;
    char     layout[LMDB_LAYOUT_MAX];
};

static const char *const database_names[] = {
#define X(symbol, name) [LMDB_##symbol] = name,
    LMDB_DATABASES(X)
#undef X
};

const bool lmdb_is_built = true;

static const struct bytes meta_key = {(const uint8_t *)"pando", 5};

enum space_result lmdb_result(int error)
{
    switch (error) {
    case 0: return SPACE_OK;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return SPACE_DISK_FULL;
    case MDB_TXN_FULL:
    case ENOMEM: return SPACE_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
    case MDB_INCOMPATIBLE: return SPACE_DAMAGED;
    default: return SPACE_FAILED;
    }
}

enum space_result lmdb_shard_result(struct lmdb_shard *shard, int error)
{
    struct stat file;
    int fd;
    if (error == EIO && mdb_env_get_fd(shard->env, &fd) == 0 && fstat(fd, &file) == 0 &&
        fallocate(fd, 0, file.st_size, PROBE_BYTES) != 0)
        return lmdb_result(errno);
    return lmdb_result(error);
}

/* ---- the folder and the file ---- */

static enum err_kind make_folder(const char *path, struct err *e)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return ERR_NONE;
    return err_set_errno(e, "make the folder %s", path);
}

static enum err_kind name_folder(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                                 struct err *e)
{
    const int length =
        snprintf(shard->path, sizeof shard->path, "%s/%04u", settings->folder, settings->number);
    if (length < 0 || (size_t)length >= sizeof shard->path - sizeof "/data.mdb")
        return err_set(e, ERR_INPUT, "the folder's name is over %d bytes long", LMDB_PATH_MAX);
    return ERR_NONE;
}

static enum err_kind make_folders(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                                  struct err *e)
{
    enum err_kind made = name_folder(shard, settings, e);
    if (made == ERR_NONE)
        made = make_folder(settings->folder, e);
    return made != ERR_NONE ? made : make_folder(shard->path, e);
}

static enum err_kind story_of(struct err *e, const struct lmdb_shard *shard, int error)
{
    if (error == MDB_INVALID || error == MDB_VERSION_MISMATCH || error == MDB_CORRUPTED ||
        error == MDB_PAGE_NOTFOUND)
        return err_set(e, ERR_INPUT,
                       "open %.120s/data.mdb: it is damaged or no LMDB file (%s): put a backup in "
                       "its place",
                       shard->path, mdb_strerror(error));
    e->sys = error > 0 ? error : 0;
    return err_set(e, ERR_SYSTEM, "open %.160s/data.mdb: %s", shard->path, mdb_strerror(error));
}

/* An environment that is open, @map_bytes wide; otherwise nothing. */
static int map_file(struct lmdb_shard *shard, const char *path, uint64_t map_bytes, unsigned flags)
{
    int error = mdb_env_create(&shard->env);
    if (error != 0)
        return error;
    error = mdb_env_set_mapsize(shard->env, map_bytes);
    if (error == 0)
        error = mdb_env_set_maxreaders(shard->env, LMDB_READERS_MAX);
    if (error == 0)
        error = mdb_env_set_maxdbs(shard->env, LMDB_DATABASES_COUNT);
    if (error == 0)
        error = mdb_env_open(shard->env, path, flags, 0600);
    if (error != 0) {
        mdb_env_close(shard->env);
        shard->env = NULL;
    }
    return error;
}

/* Where the address space is short (a limit, a sanitizer), a quarter of it, down to 1 GiB. */
static int map_what_fits(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                         unsigned flags)
{
    uint64_t map_bytes = settings->map_bytes == 0 ? LMDB_MAP_BYTES : settings->map_bytes;
    int error = map_file(shard, shard->path, map_bytes, flags);
    while (error == ENOMEM && settings->map_bytes == 0 && map_bytes > (uint64_t)1 << 30) {
        map_bytes /= 4;
        error = map_file(shard, shard->path, map_bytes, flags);
    }
    return error;
}

/* Pages that were never written may be missing at the end of a sound file; those that were cut off
 * may hold anything. Either way there is nothing to read. */
static void fill_up_file(struct lmdb_shard *shard)
{
    MDB_envinfo info;
    struct stat file;
    char path[LMDB_PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/data.mdb", shard->path);
    if (mdb_env_info(shard->env, &info) != 0 || stat(path, &file) != 0)
        return;
    const off_t bytes = (off_t)((info.me_last_pgno + 1) * shard->page_bytes);
    if (file.st_size < bytes && truncate(path, bytes) != 0)
        atomic_store(&shard->failed, true);
}

/* LMDB does not say where it mapped the file; the kernel does. */
static const uint8_t *find_map(const struct stat *file)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[LMDB_PATH_MAX + 128];
    uint64_t begin = 0;
    while (maps != NULL && begin == 0 && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to, offset, inode;
        unsigned major, minor;
        if (sscanf(line, "%lx-%lx %*s %lx %x:%x %lu", &from, &to, &offset, &major, &minor,
                   &inode) == 6 &&
            inode == file->st_ino && makedev(major, minor) == file->st_dev && offset == 0)
            begin = from;
    }
    if (maps != NULL)
        fclose(maps);
    return (const uint8_t *)(uintptr_t)begin;
}

static void note_map(struct lmdb_shard *shard)
{
    MDB_envinfo info;
    MDB_stat main_stat;
    struct stat file;
    int fd;
    int error = mdb_env_stat(shard->env, &main_stat) | mdb_env_info(shard->env, &info) |
                mdb_env_get_fd(shard->env, &fd);
    assert(error == 0 && mdb_env_get_maxkeysize(shard->env) >= RECORD_KEY_MAX);
    shard->page_bytes = main_stat.ms_psize;
    shard->map_bytes = info.me_mapsize;
    error = fstat(fd, &file);
    if (error == 0)
        shard->map = find_map(&file);
}

bool lmdb_shard_has(struct lmdb_shard *shard, struct bytes bytes)
{
    if (shard->map == NULL || bytes.at < shard->map || bytes.at >= shard->map + shard->map_bytes)
        return true; /* a page that this transaction has made and not written yet */
    const uint64_t end = (uint64_t)(bytes.at - shard->map) + bytes.count;
    if (end <= atomic_load_explicit(&shard->readable_bytes, memory_order_relaxed))
        return true;
    struct stat file;
    int fd;
    if (mdb_env_get_fd(shard->env, &fd) != 0 || fstat(fd, &file) != 0)
        return false;
    atomic_store_explicit(&shard->readable_bytes, (uint64_t)file.st_size, memory_order_relaxed);
    return end <= (uint64_t)file.st_size;
}

/* The file has two heads, in pages 0 and 1, which transactions write in turns: those of two that
 * followed one another, the even one in page 0. LMDB believes the higher number, whatever it is;
 * with a flipped bit that would be an old state of the keyspace. */
static bool heads_agree(struct lmdb_shard *shard)
{
    int fd;
    for (int i = 0; i < HEAD_TRIES && mdb_env_get_fd(shard->env, &fd) == 0; i++) {
        uint64_t even, odd;
        if (pread(fd, &even, 8, HEAD_NUMBER_AT) != 8 ||
            pread(fd, &odd, 8, shard->page_bytes + HEAD_NUMBER_AT) != 8)
            return false;
        if ((even == 0 && odd == 0) || (even % 2 == 0 && (odd == even + 1 || odd + 1 == even)))
            return true;
    }
    return false; /* another process may have written meanwhile, but not every time */
}

/* ---- what it says of itself ---- */

static enum err_kind refuse_format(const struct lmdb_shard *shard, const struct meta *meta,
                                   struct err *e)
{
    return err_set(e, ERR_INPUT,
                   "open %.100s: it has format %u and this program knows %d: "
                   "run the program that wrote it, or load a backup",
                   shard->path, meta->format, LMDB_FORMAT);
}

static enum err_kind judge(const struct lmdb_shard *shard, const struct meta *meta,
                           const struct lmdb_settings *settings, struct err *e)
{
    if (meta->format != LMDB_FORMAT)
        return refuse_format(shard, meta, e);
    if ((meta->is_ordered != 0) != settings->is_ordered ||
        strncmp(meta->layout, settings->layout, sizeof meta->layout) != 0)
        return err_set(e, ERR_INPUT,
                       "open %.60s: its keys were laid by '%.50s' and the "
                       "configuration says '%.50s': put that back, or use another `data` "
                       "folder (`pando backup`, `pando restore`)",
                       shard->path, meta->layout, settings->layout);
    return ERR_NONE;
}

static int write_meta(struct lmdb_shard *shard, const struct lmdb_settings *settings, MDB_txn *txn)
{
    struct meta meta = {.format = LMDB_FORMAT, .is_ordered = settings->is_ordered};
    if (getrandom(&meta.secret, sizeof meta.secret, 0) != sizeof meta.secret)
        return errno;
    snprintf(meta.layout, sizeof meta.layout, "%s", settings->layout);
    record_seal((uint8_t *)&meta, sizeof meta, meta_key);
    shard->secret = meta.secret;
    MDB_val key = {meta_key.count, (void *)(uintptr_t)meta_key.at};
    MDB_val value = {sizeof meta, &meta};
    return mdb_put(txn, shard->databases[LMDB_META], &key, &value, 0);
}

/* MDB_NOTFOUND: there is none. */
static int load_meta(struct lmdb_shard *shard, MDB_txn *txn, struct meta *meta)
{
    MDB_val key = {meta_key.count, (void *)(uintptr_t)meta_key.at};
    MDB_val value;
    const int error = mdb_get(txn, shard->databases[LMDB_META], &key, &value);
    if (error != 0)
        return error;
    const struct bytes bytes = {value.mv_data, value.mv_size};
    if (bytes.count != sizeof *meta || !lmdb_shard_has(shard, bytes) ||
        !record_is_whole(bytes, meta_key))
        return MDB_CORRUPTED;
    memcpy(meta, bytes.at, sizeof *meta);
    shard->secret = meta->secret;
    return 0;
}

static enum err_kind read_meta(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                               MDB_txn *txn, struct err *e)
{
    struct meta meta;
    MDB_stat keys;
    int error = load_meta(shard, txn, &meta);
    if (error == 0)
        return judge(shard, &meta, settings, e);
    if (error == MDB_NOTFOUND && mdb_stat(txn, shard->databases[LMDB_KEYS], &keys) == 0 &&
        keys.ms_entries == 0)
        error = write_meta(shard, settings, txn);
    else if (error == MDB_NOTFOUND)
        error = MDB_INVALID;
    return error == 0 ? ERR_NONE : story_of(e, shard, error);
}

/* With other flags than ours LMDB would take what lies there for something else. */
static int open_database(MDB_txn *txn, const char *name, unsigned how, unsigned *database)
{
    unsigned flags = 0;
    int error = mdb_dbi_open(txn, name, how, database);
    if (error == 0)
        error = mdb_dbi_flags(txn, *database, &flags);
    return error == 0 && flags != 0 ? MDB_CORRUPTED : error;
}

static enum err_kind open_databases(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                                    struct err *e)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(shard->env, NULL, 0, &txn);
    if (error != 0)
        return story_of(e, shard, error);
    for (unsigned i = 0; i < LMDB_DATABASES_COUNT && error == 0; i++)
        error = open_database(txn, database_names[i], MDB_CREATE, &shard->databases[i]);
    enum err_kind kind =
        error != 0 ? story_of(e, shard, error) : read_meta(shard, settings, txn, e);
    if (kind != ERR_NONE) {
        mdb_txn_abort(txn);
        return kind;
    }
    lmdb_shard_publish(shard, txn);
    error = mdb_txn_commit(txn);
    return error == 0 ? ERR_NONE : story_of(e, shard, error);
}

/* ---- open and close ---- */

/* The file, if it is not there yet; not left to LMDB, whose first pages a power cut may tear. */
static enum err_kind make_file(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                               struct err *e)
{
    char path[LMDB_PATH_MAX + 32];
    if (lmdb__is_made(shard))
        return ERR_NONE;
    lmdb__begin_making(shard, path, sizeof path);
    const int error = map_file(shard, path, NEW_MAP_BYTES, MDB_NOTLS | MDB_NOSUBDIR);
    if (error != 0)
        return story_of(e, shard, error);
    const enum err_kind kind = open_databases(shard, settings, e);
    mdb_env_close(shard->env);
    shard->env = NULL;
    return kind == ERR_NONE ? lmdb__end_making(shard, e) : kind;
}

enum err_kind lmdb_shard_open(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                              struct err *e)
{
    struct hash_key hash_key;
    struct err unheard;
    *shard = (struct lmdb_shard){.is_ordered = settings->is_ordered,
                                 .sync = settings->sync,
                                 .sync_interval_ns = settings->sync_interval_ns,
                                 .name_bytes = settings->name_bytes};
    e = e == NULL ? &unheard : e;
    assert(settings->number < 10000 && strlen(settings->layout) < LMDB_LAYOUT_MAX);
    atomic_init(&shard->disk_bytes_max, settings->disk_bytes_max);
    if (getrandom(&hash_key, sizeof hash_key, 0) != sizeof hash_key)
        return err_set_errno(e, "draw a key for hashes");
    enum err_kind kind = make_folders(shard, settings, e);
    if (kind == ERR_NONE)
        kind = lmdb_sync_recover(shard, e);
    if (kind == ERR_NONE)
        kind = make_file(shard, settings, e);
    if (kind != ERR_NONE)
        return kind;
    const int error = map_what_fits(
        shard, settings, MDB_NOTLS | (settings->sync == LMDB_SYNC_ALWAYS ? 0 : MDB_NOSYNC));
    if (error != 0)
        return story_of(e, shard, error);
    note_map(shard);
    lmdb_watches_init(&shard->watches, hash_key);
    fill_up_file(shard);
    lmdb_shard_check_readers(shard);
    kind = heads_agree(shard) ? lmdb_sync_begin(shard, e) : story_of(e, shard, MDB_CORRUPTED);
    if (kind == ERR_NONE)
        kind = open_databases(shard, settings, e);
    if (kind != ERR_NONE)
        lmdb_shard_close(shard);
    return kind;
}

void lmdb_shard_close(struct lmdb_shard *shard)
{
    if (shard->env == NULL)
        return;
    lmdb_sync_end(shard);
    mdb_env_close(shard->env);
    shard->env = NULL;
    if (!shard->is_looked_at)
        lmdb_watches_fini(&shard->watches);
}

/* ---- only looking ---- */

static enum err_kind cannot_look(struct err *e, const char *path)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return err_set(e, ERR_NO_TARGET, "there is no %.200s", path);
    return err_set_errno(e, "look at %.180s", path);
}

/* Who only reads still has a place in the table of readers, which is in lock.mdb, so that the
 * writer leaves alone what he sees. Where that file is not, nobody has this open, and none is made.
 */
static enum err_kind choose_lock(const struct lmdb_shard *shard, unsigned *flags, struct err *e)
{
    char path[LMDB_PATH_MAX + 16];
    struct stat file;
    snprintf(path, sizeof path, "%s/data.mdb", shard->path);
    if (access(path, R_OK) != 0 || stat(path, &file) != 0)
        return cannot_look(e, path);
    if (file.st_size == 0)
        return err_set(e, ERR_INPUT, "look at %.180s: the file is empty", path);
    snprintf(path, sizeof path, "%s/lock.mdb", shard->path);
    *flags = MDB_RDONLY | MDB_NOTLS;
    if (access(path, R_OK | W_OK) == 0)
        return ERR_NONE;
    *flags |= MDB_NOLOCK;
    return errno == ENOENT ? ERR_NONE : cannot_look(e, path);
}

enum err_kind lmdb_shard_look(struct lmdb_shard *shard, const struct lmdb_settings *settings,
                              struct err *e)
{
    struct err unheard;
    unsigned flags = 0;
    *shard = (struct lmdb_shard){.is_looked_at = true, .name_bytes = settings->name_bytes};
    e = e == NULL ? &unheard : e;
    enum err_kind kind = name_folder(shard, settings, e);
    if (kind == ERR_NONE)
        kind = choose_lock(shard, &flags, e);
    if (kind == ERR_NONE)
        kind = lmdb_sync_look(shard, e);
    if (kind != ERR_NONE)
        return kind;
    const int error = map_what_fits(shard, settings, flags);
    if (error != 0)
        return story_of(e, shard, error);
    note_map(shard);
    if (heads_agree(shard))
        return ERR_NONE;
    kind = story_of(e, shard, MDB_CORRUPTED);
    lmdb_shard_close(shard);
    return kind;
}

enum err_kind lmdb_shard_enter(struct lmdb_shard *shard, MDB_txn *txn, char layout[LMDB_LAYOUT_MAX],
                               struct err *e)
{
    struct meta meta;
    int error = 0;
    for (unsigned i = 0; i < LMDB_DATABASES_COUNT && error == 0; i++)
        error = open_database(txn, database_names[i], 0, &shard->databases[i]);
    if (error == 0)
        error = load_meta(shard, txn, &meta);
    if (error != 0)
        return story_of(e, shard, error == MDB_NOTFOUND ? MDB_INVALID : error);
    if (meta.format != LMDB_FORMAT)
        return refuse_format(shard, &meta, e);
    shard->is_ordered = meta.is_ordered != 0;
    memcpy(layout, meta.layout, LMDB_LAYOUT_MAX);
    layout[LMDB_LAYOUT_MAX - 1] = '\0';
    return ERR_NONE;
}

bool lmdb_shard_is_short(struct lmdb_shard *shard)
{
    MDB_envinfo info;
    struct stat file;
    int fd;
    return mdb_env_info(shard->env, &info) != 0 || mdb_env_get_fd(shard->env, &fd) != 0 ||
           fstat(fd, &file) != 0 ||
           (uint64_t)file.st_size < (info.me_last_pgno + 1) * shard->page_bytes;
}

int lmdb_shard_holder(const struct lmdb_settings *settings)
{
    char path[LMDB_PATH_MAX + 16];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    const int length =
        snprintf(path, sizeof path, "%.1000s/%04u/lock.mdb", settings->folder, settings->number);
    const int fd = length < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const int error = fcntl(fd, F_GETLK, &lock);
    close(fd); /* nobody of this process has it open, whose lock would go with it */
    return error != 0 || lock.l_type == F_UNLCK ? 0 : lock.l_pid <= 0 ? -1 : lock.l_pid;
}

/* ---- figures ---- */

uint64_t lmdb_shard_count(struct lmdb_shard *shard)
{
    return atomic_load_explicit(&shard->figures.keys, memory_order_relaxed);
}

void lmdb_shard_check_readers(struct lmdb_shard *shard)
{
    int dead = 0;
    if (mdb_reader_check(shard->env, &dead) == 0 && dead > 0)
        atomic_fetch_add(&shard->figures.readers_cleared, (uint64_t)dead);
}

/* The list of free pages is LMDB's database 0, that of the others' roots 1; two pages are heads. */
uint64_t lmdb_shard_used_bytes(struct lmdb_shard *shard, MDB_txn *txn)
{
    uint64_t pages = 2;
    for (int i = -2; i < LMDB_DATABASES_COUNT; i++) {
        MDB_stat stat;
        const unsigned database = i < 0 ? (unsigned)(i + 2) : shard->databases[i];
        if (mdb_stat(txn, database, &stat) == 0)
            pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    }
    return pages * shard->page_bytes;
}

void lmdb_shard_publish(struct lmdb_shard *shard, MDB_txn *txn)
{
    MDB_stat keys;
    MDB_envinfo info;
    if (mdb_stat(txn, shard->databases[LMDB_KEYS], &keys) == 0)
        atomic_store_explicit(&shard->figures.keys, keys.ms_entries, memory_order_relaxed);
    if (mdb_env_info(shard->env, &info) == 0)
        atomic_store_explicit(&shard->figures.file_bytes,
                              (info.me_last_pgno + 1) * shard->page_bytes, memory_order_relaxed);
    atomic_store_explicit(&shard->figures.used_bytes, lmdb_shard_used_bytes(shard, txn),
                          memory_order_relaxed);
}
