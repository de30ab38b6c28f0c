/* SPDX-License-Identifier: Apache-2.0 */
/* agent/load.c - shares, the percent, and the words. */
#include "agent/load.h"

#include "core/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word, *sent;
} words[] = {
#define X(name, word, sent, gist) {word, sent},
    LOAD_WORDS(X)
#undef X
};

static const char *const sources[] = {
#define X(name, word) word,
    LOAD_SOURCES(X)
#undef X
};

static double within(double share)
{
    return share < 0 ? 0 : (share > 1 ? 1 : share);
}

void load_rate_step(struct load_rate *rate, uint64_t total, double capacity_per_s, uint64_t now_ns)
{
    const bool is_first = !rate->is_known || total < rate->total || now_ns <= rate->at_ns;
    if (is_first && rate->is_known && now_ns == rate->at_ns)
        return;
    if (is_first && !rate->is_known)
        rate->share = -1;
    if (!is_first && capacity_per_s > 0) {
        const double passed_s = (double)(now_ns - rate->at_ns) / (double)NS_PER_S;
        const double share = within((double)(total - rate->total) / (passed_s * capacity_per_s));
        const double keeps = exp(-passed_s * 1000 / LOAD_SMOOTH_MS);
        rate->share = rate->share < 0 ? share : rate->share * keeps + share * (1 - keeps);
    }
    rate->is_known = true;
    rate->total = total;
    rate->at_ns = now_ns;
}

unsigned load_percent(const struct load *load)
{
    const double memory = within((load->memory - 0.8) / 0.2);
    double busy = within(load->cpu);
    if (load->pressure > busy)
        busy = within(load->pressure);
    if (memory > busy)
        busy = memory;
    const long percent = lround(100 * (1 - busy));
    return percent < 1 ? 1 : (unsigned)percent;
}

/* What comes after "#", without what would end the line or steer a terminal. */
static void read_reason(struct load *load, const char *text)
{
    size_t used = 0;
    text += strspn(text, "# \t");
    for (; *text != '\0' && *text != '\n' && used + 1 < sizeof load->reason; text++)
        load->reason[used++] = *text >= ' ' && *text < 0x7f && *text != '#' ? *text : ' ';
    while (used > 0 && load->reason[used - 1] == ' ')
        used--;
    load->reason[used] = '\0';
}

bool load_read_word(struct load *load, const char *text)
{
    text += strspn(text, " \t");
    const size_t bytes = strcspn(text, " \t\r\n#");
    const char *after = text + bytes + strspn(text + bytes, " \t\r");
    if (*after != '\0' && *after != '\n' && *after != '#')
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) != bytes || memcmp(words[i].word, text, bytes) != 0)
            continue;
        load->word = (enum load_word)i;
        read_reason(load, *after == '#' ? after : "");
        return true;
    }
    return false;
}

size_t load_write_line(const struct load *load, char text[LOAD_LINE_BYTES_MAX])
{
    const bool has_reason = load->reason[0] != '\0';
    const int bytes = snprintf(text, LOAD_LINE_BYTES_MAX, "%s %u%%%s%s\n", words[load->word].sent,
                               load_percent(load), has_reason ? " #" : "", load->reason);
    return bytes > 0 ? (size_t)bytes : 0; /* shorter than the room: the parts are bounded */
}

/* A share, or null. */
static const char *share(double value, char text[24])
{
    if (value < 0)
        (void)snprintf(text, 24, "null");
    else
        (void)snprintf(text, 24, "%.4f", value);
    return text;
}

/* A count, or null. */
static const char *count(uint64_t value, bool is_known, char text[24])
{
    if (!is_known)
        (void)snprintf(text, 24, "null");
    else
        (void)snprintf(text, 24, "%llu", (unsigned long long)value);
    return text;
}

size_t load_write_json(const struct load *load, char text[LOAD_JSON_BYTES_MAX])
{
    char rif[24], latency[24], cpu[24], memory[24], pressure[24], reason[LOAD_REASON_BYTES];
    (void)snprintf(reason, sizeof reason, "%s", load->reason);
    for (char *at = reason; *at != '\0'; at++)
        *at = *at == '"' || *at == '\\' ? '\'' : *at;
    const int bytes = snprintf(
        text, LOAD_JSON_BYTES_MAX,
        "{\"rif\":%s,\"latency_us\":%s,\"cpu\":%s,\"memory\":%s,\"pressure\":%s,\"percent\":%u,"
        "\"state\":\"%s\",\"reason\":\"%s\",\"rif_from\":\"%s\"}\n",
        count(load->rif, load->rif_from != LOAD_FROM_NOTHING, rif),
        count(load->latency_us, load->has_latency, latency), share(load->cpu, cpu),
        share(load->memory, memory), share(load->pressure, pressure), load_percent(load),
        load->word == LOAD_WORD_NONE ? "up" : words[load->word].word, reason,
        sources[load->rif_from]);
    return bytes > 0 ? (size_t)bytes : 0;
}
