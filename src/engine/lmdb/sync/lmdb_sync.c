/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/sync/lmdb_sync.c - the slots, putting a head back, steps, and their thread. */
#include "engine/lmdb/sync/lmdb_sync.h"

#include "core/mem.h"
#include "core/units.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define FILE_NAME "sync.state"
#define MAGIC     0x31636e7973646e70u /* "pndsync1" */

enum {
    SLOTS = 2,
    SLOT_STEP_BYTES = 4096, /* so that a write that is torn destroys one of them */
    BOOT_BYTES = 40,
    HEAD_BYTES = 152, /* of a page that is a head: its number, flags, and LMDB's record */
    HEAD_NUMBER_AT = 144,
    HEAD_TRIES = 100,
};

struct slot {
    uint64_t sum; /* of all that follows */
    uint64_t magic;
    uint64_t count;      /* grows; the higher one holds */
    uint64_t number;     /* of the transaction that was synced */
    uint64_t inode;      /* of data.mdb */
    uint64_t page_bytes; /* of LMDB */
    char     boot[BOOT_BYTES];
    uint8_t  head[HEAD_BYTES];
};

struct lmdb_sync {
    struct lmdb_shard *shard;
    int                fd;     /* of the file */
    MDB_txn           *held;   /* at what was synced last */
    struct slot        synced; /* what the file says */
    pthread_t          thread;
    pthread_mutex_t    lock;
    pthread_cond_t     wake;
    uint64_t           interval_ns;
    bool               is_running, is_stopping;
};

struct place {
    char text[LMDB_PATH_MAX + 16];
};

static const char *place_of(const struct lmdb_shard *shard, const char *name, struct place *place)
{
    (void)snprintf(place->text, sizeof place->text, "%s/%s", shard->path, name);
    return place->text;
}

/* ---- slots ---- */

/* Empty where it cannot be known: then it is never the same. */
static void read_boot(char boot[BOOT_BYTES])
{
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    memset(boot, 0, BOOT_BYTES);
    if (fd >= 0 && read(fd, boot, BOOT_BYTES - 1) < 36)
        memset(boot, 0, BOOT_BYTES);
    if (fd >= 0)
        close(fd);
}

static uint64_t sum_of(const struct slot *slot)
{
    return XXH3_64bits((const uint8_t *)slot + sizeof slot->sum, sizeof *slot - sizeof slot->sum);
}

/* The slot that holds. False: none does; then the first was never written whole, and nothing was
 * written to the environment before that. */
static bool read_slots(int fd, struct slot *found)
{
    bool is_found = false;
    for (int i = 0; i < SLOTS; i++) {
        struct slot slot;
        if (pread(fd, &slot, sizeof slot, (off_t)i * SLOT_STEP_BYTES) != sizeof slot ||
            slot.magic != MAGIC || slot.sum != sum_of(&slot) ||
            (is_found && slot.count < found->count))
            continue;
        *found = slot;
        is_found = true;
    }
    return is_found;
}

static bool write_slot(int fd, struct slot *slot)
{
    const off_t at = (off_t)(slot->count % SLOTS) * SLOT_STEP_BYTES;
    slot->magic = MAGIC;
    slot->sum = sum_of(slot);
    return pwrite(fd, slot, sizeof *slot, at) == sizeof *slot && fdatasync(fd) == 0;
}

static bool is_of_now(const struct slot *slot)
{
    char boot[BOOT_BYTES];
    read_boot(boot);
    return boot[0] != '\0' && memcmp(boot, slot->boot, BOOT_BYTES) == 0;
}

static bool sync_folder(const struct lmdb_shard *shard)
{
    const int fd = open(shard->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return is_synced;
}

/* The slot of a shard that is not open. *@is_there: there is one. */
static enum err_kind find_slot(const struct lmdb_shard *shard, struct slot *slot, bool *is_there,
                               struct err *e)
{
    struct place place;
    const int fd = open(place_of(shard, FILE_NAME, &place), O_RDONLY | O_CLOEXEC);
    *is_there = fd >= 0 && read_slots(fd, slot);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno == ENOENT ? ERR_NONE : err_set_errno(e, "open %.180s", place.text);
}

/* ---- after the machine was started anew ---- */

/* Both heads become the synced one; in turns, so the other is numbered one less. */
static bool put_back(int fd, const struct slot *slot)
{
    for (uint64_t page = 0; page < 2; page++) {
        uint8_t head[HEAD_BYTES];
        const bool is_older = page != slot->number % 2 && slot->number > 0;
        const uint64_t number = slot->number - is_older;
        memcpy(head, slot->head, sizeof head);
        memcpy(head, &page, sizeof page);
        memcpy(head + HEAD_NUMBER_AT, &number, sizeof number);
        if (pwrite(fd, head, sizeof head, (off_t)(page * slot->page_bytes)) != sizeof head)
            return false;
    }
    return fdatasync(fd) == 0;
}

static enum err_kind put_back_into(const struct lmdb_shard *shard, const struct slot *slot,
                                   struct err *e)
{
    struct place place;
    struct stat file;
    const int fd = open(place_of(shard, "data.mdb", &place), O_RDWR | O_CLOEXEC);
    enum err_kind kind = ERR_NONE;
    if (fd < 0 || fstat(fd, &file) != 0)
        kind = err_set_errno(e, "open %.180s", place.text);
    else if (file.st_ino != slot->inode)
        kind = err_set(e, ERR_INPUT,
                       "%.100s: " FILE_NAME " there is of another data.mdb, whose last writes may "
                       "be missing: if you put a whole one in its place, remove " FILE_NAME,
                       shard->path);
    else if (!put_back(fd, slot))
        kind = err_set_errno(e, "put back the last sync of %.150s", place.text);
    if (fd >= 0)
        close(fd);
    return kind;
}

enum err_kind lmdb_sync_recover(const struct lmdb_shard *shard, struct err *e)
{
    struct slot slot;
    bool is_there;
    const enum err_kind kind = find_slot(shard, &slot, &is_there, e);
    if (kind != ERR_NONE || !is_there || is_of_now(&slot))
        return kind;
    return put_back_into(shard, &slot, e);
}

enum err_kind lmdb_sync_look(const struct lmdb_shard *shard, struct err *e)
{
    struct slot slot;
    bool is_there;
    const enum err_kind kind = find_slot(shard, &slot, &is_there, e);
    if (kind != ERR_NONE || !is_there || is_of_now(&slot))
        return kind;
    return err_set(e, ERR_LIMIT,
                   "%.120s: the machine stopped between two syncs: start `pando run` once, which "
                   "puts the state of the last one back",
                   shard->path);
}

/* ---- steps ---- */

/* Begins a transaction, and reads the head that it goes by; the writer uses both heads in turns. */
static bool hold(const struct lmdb_sync *sync, MDB_txn **txn, struct slot *slot)
{
    int fd;
    *txn = NULL;
    if (mdb_env_get_fd(sync->shard->env, &fd) != 0)
        return false;
    for (int i = 0; i < HEAD_TRIES; i++) {
        uint64_t number;
        if (mdb_txn_begin(sync->shard->env, NULL, MDB_RDONLY, txn) != 0)
            return false;
        slot->number = mdb_txn_id(*txn);
        const off_t at = (off_t)(slot->number % 2 * sync->shard->page_bytes);
        if (pread(fd, slot->head, sizeof slot->head, at) == sizeof slot->head) {
            memcpy(&number, slot->head + HEAD_NUMBER_AT, sizeof number);
            if (number == slot->number)
                return true;
        }
        mdb_txn_abort(*txn);
        *txn = NULL;
    }
    return false;
}

static bool take_step(struct lmdb_sync *sync)
{
    struct slot slot = sync->synced;
    MDB_txn *txn;
    if (!hold(sync, &txn, &slot))
        return false;
    struct slot newest;
    if (read_slots(sync->fd, &newest) && newest.count > slot.count)
        slot.count = newest.count; /* another process', as after SIGUSR2: its slot is not ours */
    slot.count++;
    if (mdb_env_sync(sync->shard->env, 1) != 0 || !write_slot(sync->fd, &slot)) {
        mdb_txn_abort(txn);
        return false;
    }
    if (sync->held != NULL)
        mdb_txn_abort(sync->held);
    sync->held = txn;
    sync->synced = slot;
    return true;
}

bool lmdb_sync_step(struct lmdb_sync *sync)
{
    MDB_envinfo info;
    if (atomic_load(&sync->shard->failed))
        return false;
    if (sync->held != NULL && mdb_env_info(sync->shard->env, &info) == 0 &&
        info.me_last_txnid == sync->synced.number)
        return true;
    if (take_step(sync))
        return true;
    atomic_store(&sync->shard->failed, true);
    return false;
}

/* ---- begin and end ---- */

/* What an earlier run left, which had another `sync`: all is synced before it goes. */
static enum err_kind remove_file(const struct lmdb_shard *shard, struct err *e)
{
    struct place place;
    if (access(place_of(shard, FILE_NAME, &place), F_OK) != 0)
        return ERR_NONE;
    if (mdb_env_sync(shard->env, 1) == 0 && unlink(place.text) == 0 && sync_folder(shard))
        return ERR_NONE;
    return err_set_errno(e, "sync %.180s", shard->path);
}

/* A file that is new must be found after a power cut. */
static bool open_file(struct lmdb_sync *sync)
{
    struct place place;
    struct stat file;
    int fd;
    sync->fd = open(place_of(sync->shard, FILE_NAME, &place), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sync->fd < 0 || mdb_env_get_fd(sync->shard->env, &fd) != 0 || fstat(fd, &file) != 0)
        return false;
    if (flock(sync->fd, LOCK_SH) != 0) /* whoever has it to himself may remove it */
        return false;
    (void)read_slots(sync->fd, &sync->synced);
    sync->synced.inode = file.st_ino;
    sync->synced.page_bytes = sync->shard->page_bytes;
    read_boot(sync->synced.boot);
    return sync_folder(sync->shard);
}

static void free_sync(struct lmdb_shard *shard)
{
    struct lmdb_sync *sync = shard->syncing;
    if (sync->held != NULL)
        mdb_txn_abort(sync->held);
    if (sync->fd >= 0)
        close(sync->fd);
    pthread_cond_destroy(&sync->wake);
    pthread_mutex_destroy(&sync->lock);
    mem_free(sync);
    shard->syncing = NULL;
}

enum err_kind lmdb_sync_begin(struct lmdb_shard *shard, struct err *e)
{
    if (shard->sync != LMDB_SYNC_INTERVAL)
        return remove_file(shard, e);
    struct lmdb_sync *sync = mem_alloc(sizeof *sync);
    if (sync == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    *sync = (struct lmdb_sync){.shard = shard, .fd = -1};
    (void)pthread_mutex_init(&sync->lock, NULL); /* cannot fail with these attributes */
    (void)pthread_cond_init(&sync->wake, NULL);
    shard->syncing = sync;
    if (open_file(sync) && lmdb_sync_step(sync))
        return ERR_NONE;
    const enum err_kind kind = err_set_errno(e, "sync %.180s", shard->path);
    free_sync(shard);
    return kind;
}

void lmdb_sync_end(struct lmdb_shard *shard)
{
    struct place place;
    struct lmdb_sync *sync = shard->syncing;
    if (sync == NULL)
        return;
    lmdb_sync_stop(shard);
    /* Another process, as after SIGUSR2, goes on to write it. */
    if (lmdb_sync_step(sync) && flock(sync->fd, LOCK_EX | LOCK_NB) == 0 &&
        unlink(place_of(shard, FILE_NAME, &place)) == 0)
        (void)sync_folder(shard); /* one that comes back names the state that is there */
    free_sync(shard);
}

/* ---- the thread ---- */

static void add_ns(struct timespec *at, uint64_t ns)
{
    const uint64_t sum_ns = (uint64_t)at->tv_nsec + ns;
    at->tv_sec += (time_t)(sum_ns / NS_PER_S);
    at->tv_nsec = (long)(sum_ns % NS_PER_S);
}

static void *work(void *self)
{
    struct lmdb_sync *sync = self;
    pthread_mutex_lock(&sync->lock);
    while (!sync->is_stopping) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        add_ns(&until, sync->interval_ns);
        int error = 0;
        while (!sync->is_stopping && error == 0)
            error = pthread_cond_clockwait(&sync->wake, &sync->lock, CLOCK_MONOTONIC, &until);
        pthread_mutex_unlock(&sync->lock);
        (void)lmdb_sync_step(sync);
        pthread_mutex_lock(&sync->lock);
    }
    pthread_mutex_unlock(&sync->lock);
    return NULL;
}

enum err_kind lmdb_sync_start(struct lmdb_shard *shard, uint64_t interval_ns, struct err *e)
{
    struct lmdb_sync *sync = shard->syncing;
    sigset_t all, before;
    if (sync == NULL)
        return ERR_NONE;
    sync->interval_ns = interval_ns;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sync->is_running = pthread_create(&sync->thread, NULL, work, sync) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return sync->is_running ? ERR_NONE
                            : err_set(e, ERR_SYSTEM,
                                      "the thread that syncs %.150s could not be "
                                      "started",
                                      shard->path);
}

void lmdb_sync_stop(struct lmdb_shard *shard)
{
    struct lmdb_sync *sync = shard->syncing;
    if (sync == NULL || !sync->is_running)
        return;
    pthread_mutex_lock(&sync->lock);
    sync->is_stopping = true;
    pthread_cond_signal(&sync->wake);
    pthread_mutex_unlock(&sync->lock);
    pthread_join(sync->thread, NULL);
    sync->is_running = false;
}

/* ---- for tests ---- */

bool lmdb__sync_age(const char *path, uint64_t inode)
{
    struct slot slot;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    bool is_done = fd >= 0 && read_slots(fd, &slot);
    if (is_done) {
        slot.boot[0] ^= 1;
        slot.inode = inode != 0 ? inode : slot.inode;
        is_done = write_slot(fd, &slot);
    }
    if (fd >= 0)
        close(fd);
    return is_done;
}
