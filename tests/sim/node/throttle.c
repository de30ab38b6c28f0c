/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/throttle.c - permits, and what the limit's machine is told. */
#include "sim/node/throttle.h"

void sim_throttle_init(struct sim_throttle *throttle, const struct concurrency_settings *settings)
{
    *throttle = (struct sim_throttle){.settings = settings};
    if (settings->limit == LIMIT_NONE)
        return;
    throttle->machine = limit_get((enum limit_choice)settings->limit);
    throttle->bounds = concurrency_bounds(settings);
    throttle->state = limit_start(&throttle->bounds);
}

bool sim_throttle_enter(struct sim_throttle *throttle)
{
    if (throttle->machine != NULL && throttle->inside_count >= (uint32_t)throttle->state.limit)
        return false;
    throttle->inside_count++;
    return true;
}

/* Of the errors only those of overload count. Requests that began before the last backoff do not:
 * what they suffered from was answered already. */
void sim_throttle_leave(struct sim_throttle *throttle, uint64_t begun_ns, uint64_t now_ns,
                        enum sim_end end)
{
    struct limit_window *window = &throttle->window;
    const uint64_t latency_ns = now_ns - begun_ns;
    const bool is_busy = throttle->inside_count * 2 >= (uint32_t)throttle->state.limit;
    throttle->inside_count--;
    if (throttle->machine == NULL || begun_ns < throttle->state.backed_off_ns ||
        end == SIM_FAILED || end == SIM_SHED)
        return;
    window->samples_count++;
    window->busy_count += is_busy;
    window->dropped_count +=
        end == SIM_REFUSED || end == SIM_EXPIRED || latency_ns > throttle->settings->slow_after_ns;
    window->latency_sum_ns += latency_ns;
}

void sim_throttle_look(struct sim_throttle *throttle, uint64_t now_ns)
{
    if (throttle->machine != NULL)
        throttle->machine->step(&throttle->state, &throttle->bounds, &throttle->window, now_ns);
    throttle->window = (struct limit_window){0};
}
