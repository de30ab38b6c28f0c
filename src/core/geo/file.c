/* SPDX-License-Identifier: Apache-2.0 */
/* core/geo/file.c - libmaxminddb, or its absence. */
#include "core/geo/file.h"

#ifdef PANDO_GEO
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <maxminddb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RECORDS_LOOKED_AT = 64, /* to see whether a file has places in it */
    NODES_LOOKED_AT = 4096, /* for that */
    TREE_LEVELS = 128,      /* bits of an address */
};

struct geo_file {
    MMDB_s           db;
    _Atomic uint32_t refs_count;
    struct stat      about; /* of the file, when it was read */
    char            *path;
};

bool geo_file_is_there(void)
{
    return true;
}

/* --- records ---------------------------------------------------------------------------------- */

/* The number at @path of a record; false: there is none, or it is over @most either way. */
static bool get_degrees(MMDB_entry_s *record, const char *const *path, double most, double *value)
{
    MMDB_entry_data_s data;
    if (MMDB_aget_value(record, &data, path) != MMDB_SUCCESS || !data.has_data)
        return false;
    if (data.type == MMDB_DATA_TYPE_DOUBLE)
        *value = data.double_value;
    else if (data.type == MMDB_DATA_TYPE_FLOAT)
        *value = (double)data.float_value;
    else
        return false;
    return fabs(*value) <= most; /* and so no NaN */
}

static bool get_coordinates(MMDB_entry_s *record, struct geo_place *place)
{
    static const char *const paths[][2][3] = {
        {{"location", "latitude", NULL}, {"location", "longitude", NULL}},
        {{"latitude", NULL}, {"longitude", NULL}},
    };
    double latitude, longitude;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (get_degrees(record, paths[i][0], 90, &latitude) &&
            get_degrees(record, paths[i][1], 180, &longitude)) {
            *place = geo_place_at(latitude, longitude);
            return true;
        }
    return false;
}

static bool get_country(MMDB_entry_s *record, struct geo_place *place)
{
    static const char *const paths[][3] = {{"country", "iso_code", NULL}, {"country_code", NULL}};
    MMDB_entry_data_s data;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (MMDB_aget_value(record, &data, paths[i]) == MMDB_SUCCESS && data.has_data &&
            data.type == MMDB_DATA_TYPE_UTF8_STRING && data.data_size == 2 &&
            geo_country(data.utf8_string, place))
            return true;
    return false;
}

/* A City database has records of which only the country is known. */
static bool get_place(MMDB_entry_s *record, struct geo_place *place)
{
    return get_coordinates(record, place) || get_country(record, place);
}

/* --- opening ---------------------------------------------------------------------------------- */

struct look {
    const MMDB_s *db;
    uint32_t      stack[TREE_LEVELS + 2]; /* nodes to look at */
    unsigned      stacked_count, nodes_count, records_count;
    bool          has_place;
};

static void look_at(struct look *look, uint8_t type, uint64_t node, MMDB_entry_s *record)
{
    struct geo_place place;
    if (type == MMDB_RECORD_TYPE_SEARCH_NODE && look->stacked_count < TREE_LEVELS + 2)
        look->stack[look->stacked_count++] = (uint32_t)node;
    if (type != MMDB_RECORD_TYPE_DATA)
        return;
    look->records_count++;
    look->has_place = look->has_place || get_place(record, &place);
}

/* Does one of the first records say a place? Then it is no database of something else. */
static bool has_places(const MMDB_s *db)
{
    struct look look = {.db = db, .stacked_count = 1};
    while (!look.has_place && look.stacked_count > 0 && look.nodes_count < NODES_LOOKED_AT &&
           look.records_count < RECORDS_LOOKED_AT) {
        MMDB_search_node_s node;
        look.nodes_count++;
        if (MMDB_read_node(db, look.stack[--look.stacked_count], &node) != MMDB_SUCCESS)
            return false;
        look_at(&look, node.right_record_type, node.right_record, &node.right_record_entry);
        look_at(&look, node.left_record_type, node.left_record, &node.left_record_entry);
    }
    return look.has_place;
}

/* Copies @bytes of @from. */
static enum err_kind copy(int to, int from, off_t bytes, struct err *e)
{
    ssize_t done = 1;
    for (off_t left = bytes; left > 0 && done > 0; left -= done)
        done = sendfile(to, from, NULL, (size_t)left);
    if (done > 0)
        return ERR_NONE;
    return done < 0 ? err_set_errno(e, "it cannot be read")
                    : err_set(e, ERR_INPUT, "it became shorter while it was read");
}

static enum err_kind check_file(const struct stat *about, struct err *e)
{
    if (!S_ISREG(about->st_mode))
        return err_set(e, ERR_INPUT, "it is not a file");
    if (about->st_size == 0)
        return err_set(e, ERR_INPUT, "it is empty");
    if (about->st_size > (off_t)GEO_FILE_GIB_MAX << 30)
        return err_set(e, ERR_LIMIT, "it is larger than %d GiB", GEO_FILE_GIB_MAX);
    return ERR_NONE;
}

/* libmaxminddb opens by name, and there is one for every descriptor. */
static enum err_kind open_copy(struct geo_file *file, int copied, struct err *e)
{
    char name[32];
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", copied);
    const int status = MMDB_open(name, MMDB_MODE_MMAP, &file->db);
    if (status == MMDB_OUT_OF_MEMORY_ERROR)
        return err_set(e, ERR_MEMORY, "no memory");
    if (status == MMDB_FILE_OPEN_ERROR || status == MMDB_IO_ERROR)
        return err_set_errno(e, "opening the copy of it at %s", name);
    if (status != MMDB_SUCCESS)
        return err_set(e, ERR_INPUT, "it is no database of MaxMind's format (%s)",
                       MMDB_strerror(status));
    if (has_places(&file->db))
        return ERR_NONE;
    const char *type = file->db.metadata.database_type;
    (void)err_set(e, ERR_INPUT, "its records (%.40s) say neither coordinates nor a country",
                  type != NULL ? type : "");
    MMDB_close(&file->db);
    return ERR_INPUT;
}

static bool is_unchanged(const struct geo_file *known, const char *path, const struct stat *now)
{
    const struct stat *then = known != NULL ? &known->about : NULL;
    return then != NULL && strcmp(known->path, path) == 0 && then->st_dev == now->st_dev &&
           then->st_ino == now->st_ino && then->st_size == now->st_size &&
           memcmp(&then->st_mtim, &now->st_mtim, sizeof now->st_mtim) == 0 &&
           memcmp(&then->st_ctim, &now->st_ctim, sizeof now->st_ctim) == 0;
}

static enum err_kind read_into(struct geo_file *file, int from, struct err *e)
{
    const int copied = memfd_create("geo-file", MFD_CLOEXEC);
    if (copied < 0)
        return err_set_errno(e, "memory for a copy of it");
    enum err_kind failed = copy(copied, from, file->about.st_size, e);
    if (failed == ERR_NONE)
        failed = open_copy(file, copied, e);
    close(copied); /* the mapping stays */
    return failed;
}

static enum err_kind open_from(struct geo_file **out, const char *path, int from,
                               struct geo_file *known, struct err *e)
{
    struct stat about;
    if (fstat(from, &about) != 0)
        return err_set_errno(e, "it cannot be looked at");
    if (is_unchanged(known, path, &about)) {
        *out = geo_file_ref(known);
        return ERR_NONE;
    }
    enum err_kind failed = check_file(&about, e);
    if (failed != ERR_NONE)
        return failed;
    struct geo_file *file = mem_alloc(sizeof *file);
    if (file == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    file->about = about;
    file->path = mem_copy_text(path);
    atomic_init(&file->refs_count, 1);
    failed = file->path == NULL ? err_set(e, ERR_MEMORY, "no memory") : read_into(file, from, e);
    if (failed == ERR_NONE) {
        *out = file;
        return ERR_NONE;
    }
    mem_free(file->path);
    mem_free(file);
    return failed;
}

enum err_kind geo_file_open(struct geo_file **file, const char *path, struct geo_file *known,
                            struct err *e)
{
    *file = NULL;
    /* A pipe is no file, and is not waited for. */
    const int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from < 0)
        return err_set_errno(e, "it cannot be opened");
    const enum err_kind failed = open_from(file, path, from, known, e);
    close(from);
    return failed;
}

struct geo_file *geo_file_ref(struct geo_file *file)
{
    atomic_fetch_add_explicit(&file->refs_count, 1, memory_order_relaxed);
    return file;
}

void geo_file_unref(struct geo_file *file)
{
    if (file == NULL || atomic_fetch_sub_explicit(&file->refs_count, 1, memory_order_acq_rel) != 1)
        return;
    MMDB_close(&file->db);
    mem_free(file->path);
    mem_free(file);
}

struct geo_file_facts geo_file_facts(const struct geo_file *file)
{
    const MMDB_metadata_s *metadata = &file->db.metadata;
    return (struct geo_file_facts){
        .path = file->path,
        .type = metadata->database_type != NULL ? metadata->database_type : "",
        .built_s = metadata->build_epoch,
        .bytes = (uint64_t)file->about.st_size,
    };
}

/* --- looking up ------------------------------------------------------------------------------- */

bool geo_file_find(const struct geo_file *file, const struct in6_addr *address,
                   struct geo_place *place)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } at = {.six = {.sin6_family = AF_INET6, .sin6_addr = *address}};
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        at.four = (struct sockaddr_in){.sin_family = AF_INET};
        memcpy(&at.four.sin_addr, address->s6_addr + 12, sizeof at.four.sin_addr);
    }
    int status;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&file->db, &at.any, &status);
    *place = (struct geo_place){0};
    return status == MMDB_SUCCESS && found.found_entry && get_place(&found.entry, place);
}

#else

bool geo_file_is_there(void)
{
    return false;
}

enum err_kind geo_file_open(struct geo_file **file, const char *path, struct geo_file *known,
                            struct err *e)
{
    (void)path;
    (void)known;
    *file = NULL;
    return err_set(e, ERR_INPUT, "this Pando was built without libmaxminddb");
}

struct geo_file *geo_file_ref(struct geo_file *file)
{
    return file;
}

void geo_file_unref(struct geo_file *file)
{
    (void)file;
}

struct geo_file_facts geo_file_facts(const struct geo_file *file)
{
    (void)file;
    return (struct geo_file_facts){.path = "", .type = ""};
}

bool geo_file_find(const struct geo_file *file, const struct in6_addr *address,
                   struct geo_place *place)
{
    (void)file;
    (void)address;
    *place = (struct geo_place){0};
    return false;
}

#endif
