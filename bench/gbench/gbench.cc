// gbench over Google Benchmark: the only C++ outside of the header for C++ programs and its tests.
//
// Owns the suites and the translation of states and results. Google Benchmark keeps one registry a process; a suite is
// entered there for the length of a run and cleared afterwards, under `running`, so nothing of one suite shows in another.
#include "gbench/gbench.h"

#include <benchmark/benchmark.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

struct gbench_state {
    benchmark::State *state;
    const std::vector<int64_t> *arguments;
    bool looping;  // the first gbench_keep_running() has returned true, the last one has not returned
    bool paused;   // inside the loop, by gbench_pause()
    bool finished; // the loop has returned false, or the benchmark is skipped
};

namespace {

struct entry {
    std::string name;
    gbench_function function;
    void *user;
    std::vector<int64_t> arguments;
    int threads;
    int repetitions;
    double min_time_seconds;
    int64_t iterations;
    gbench_clock clock;
    bool report_aggregates_only;
};

// One run at a time: taken by compare-exchange at the start of gbench_suite_run(), given back at its end.
std::atomic<bool> running{false};

gbench_value value_of(double number) {
    if (!std::isfinite(number)) {
        return {0, false};
    }
    return {number, true};
}

// A stream that swallows what Google Benchmark would say on stderr.
class null_buffer : public std::streambuf {
  protected:
    int overflow(int character) override {
        return character;
    }
};

class callback_reporter : public benchmark::BenchmarkReporter {
  public:
    callback_reporter(const gbench_reporter &callbacks, void *user)
        : callbacks_(callbacks), user_(user), silence_(&buffer_) {
        SetOutputStream(&silence_);
        SetErrorStream(&silence_);
    }

    bool ReportContext(const Context &context) override {
        const benchmark::CPUInfo &cpu = context.cpu_info;
        gbench_context out = {};
        out.struct_size = sizeof out;
        out.host_name = context.sys_info.name.c_str();
        out.cpu_count = cpu.num_cpus;
        out.cycles_per_second = std::isfinite(cpu.cycles_per_second) ? cpu.cycles_per_second : 0;
        out.scaling = cpu.scaling == benchmark::CPUInfo::ENABLED    ? GBENCH_SCALING_ENABLED
                      : cpu.scaling == benchmark::CPUInfo::DISABLED ? GBENCH_SCALING_DISABLED
                                                                    : GBENCH_SCALING_UNKNOWN;
        out.load_averages = cpu.load_avg.data();
        out.load_average_count = cpu.load_avg.size();
        accepted = callbacks_.context == nullptr || callbacks_.context(&out, user_);
        return accepted;
    }

    void ReportRuns(const std::vector<Run> &runs) override {
        if (callbacks_.run == nullptr) {
            return;
        }
        for (const Run &run : runs) {
            report(run);
        }
    }

    bool accepted = false;

  private:
    void report(const Run &run) {
        std::vector<gbench_counter> counters;
        for (const auto &counter : run.counters) {
            counters.push_back({counter.first.c_str(), value_of(counter.second.value)});
        }
        const std::string name = run.benchmark_name();
        const bool aggregate = run.run_type == Run::RT_Aggregate;
        gbench_run out = {};
        out.struct_size = sizeof out;
        out.name = name.c_str();
        out.definition_index = static_cast<size_t>(run.family_index);
        out.kind = aggregate ? GBENCH_RUN_AGGREGATE : GBENCH_RUN_ITERATIONS;
        out.aggregate_name = run.aggregate_name.c_str();
        out.is_ratio = aggregate && run.aggregate_unit == benchmark::kPercentage;
        out.label = run.report_label.c_str();
        out.error = run.error_occurred ? run.error_message.c_str() : nullptr;
        out.threads = static_cast<int>(run.threads);
        out.repetition_index = aggregate ? -1 : static_cast<int>(run.repetition_index);
        out.repetitions = static_cast<int>(run.repetitions);
        out.iterations = run.iterations;
        out.counters = counters.data();
        out.counter_count = counters.size();
        if (!run.error_occurred) {
            set_times(run, out);
        }
        callbacks_.run(&out, user_);
    }

    // The library divides the wall time by the iterations of all threads; an iteration on its thread took `threads` times
    // that. A ratio has no unit and is passed as it is.
    static void set_times(const Run &run, gbench_run &out) {
        if (out.is_ratio) {
            out.wall_ns_per_iteration = value_of(run.real_accumulated_time);
            out.cpu_ns_per_iteration = value_of(run.cpu_accumulated_time);
            return;
        }
        if (out.kind == GBENCH_RUN_ITERATIONS) {
            out.wall_seconds = value_of(run.real_accumulated_time);
            out.cpu_seconds = value_of(run.cpu_accumulated_time);
        }
        out.wall_ns_per_iteration = value_of(run.GetAdjustedRealTime() * static_cast<double>(run.threads));
        out.cpu_ns_per_iteration = value_of(run.GetAdjustedCPUTime());
    }

    const gbench_reporter callbacks_;
    void *const user_;
    null_buffer buffer_;
    std::ostream silence_;
};

// Google Benchmark takes defaults for its flags from BENCHMARK_* variables. Every flag that could change a run or print is
// given here, so that a caller gets what it registered and nothing else.
void fix_flags() {
    static bool fixed = false;
    if (fixed) {
        return;
    }
    static const char *const arguments[] = {"gbench",
                                            "--benchmark_list_tests=false",
                                            "--benchmark_filter=.",
                                            "--benchmark_min_time=0.5",
                                            "--benchmark_min_warmup_time=0",
                                            "--benchmark_repetitions=1",
                                            "--benchmark_enable_random_interleaving=false",
                                            "--benchmark_report_aggregates_only=false",
                                            "--benchmark_display_aggregates_only=false",
                                            "--benchmark_format=console",
                                            "--benchmark_out=",
                                            "--benchmark_perf_counters=",
                                            "--v=0"};
    std::vector<std::string> storage(std::begin(arguments), std::end(arguments));
    std::vector<char *> argv;
    argv.reserve(storage.size() + 1);
    for (std::string &argument : storage) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    int argc = static_cast<int>(storage.size());
    benchmark::Initialize(&argc, argv.data());
    fixed = true;
}

// An entry in Google Benchmark's registry. The suite's entries stand still while it runs, so this one may point to its own.
class registered_benchmark : public benchmark::internal::Benchmark {
  public:
    explicit registered_benchmark(const entry &item) : Benchmark(item.name.c_str()), item_(item) {
    }

    void Run(benchmark::State &state) override {
        gbench_state wrapped = {&state, &item_.arguments, false, false, false};
        item_.function(&wrapped, item_.user);
        if (!wrapped.finished) {
            // Another thread may be waiting for this one at the loop's end, and a time without iterations is no time.
            state.SkipWithError("the benchmark's function returned before gbench_keep_running() was false");
        }
    }

  private:
    const entry &item_;
};

void enter(const entry &item) {
    auto owned = std::make_unique<registered_benchmark>(item);
    // The registry owns it from here, which the analyser cannot see. NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
    benchmark::internal::Benchmark *const benchmark = benchmark::internal::RegisterBenchmarkInternal(owned.release());
    benchmark->Unit(benchmark::kNanosecond)->Threads(item.threads)->Repetitions(item.repetitions);
    if (!item.arguments.empty()) {
        benchmark->Args(item.arguments);
    }
    if (item.iterations > 0) {
        benchmark->Iterations(item.iterations);
    } else {
        benchmark->MinTime(item.min_time_seconds);
    }
    if (item.clock == GBENCH_CLOCK_MANUAL) {
        benchmark->UseManualTime();
    } else if (item.clock == GBENCH_CLOCK_REAL) {
        benchmark->UseRealTime();
    }
    benchmark->ReportAggregatesOnly(item.report_aggregates_only);
}

bool is_legal(const gbench_definition &definition) {
    if (definition.struct_size != sizeof definition || definition.name == nullptr || definition.name[0] == '\0' ||
        definition.function == nullptr) {
        return false;
    }
    if (definition.argument_count > GBENCH_ARGUMENTS_MAX ||
        (definition.argument_count > 0 && definition.arguments == nullptr)) {
        return false;
    }
    if (definition.threads < 1 || definition.threads > GBENCH_THREADS_MAX || definition.repetitions < 1 ||
        definition.iterations < 0) {
        return false;
    }
    const bool time_is_used = definition.iterations == 0;
    return !time_is_used || (std::isfinite(definition.min_time_seconds) && definition.min_time_seconds > 0);
}

} // namespace

struct gbench_suite {
    std::vector<entry> entries;
};

extern "C" {

const char *gbench_status_text(gbench_status status) {
    static const char *const texts[] = {
        "success",
        "out of memory",
        "illegal argument",
        "another suite is running",
        "the suite has no benchmark",
        "the reporter declined the run",
        "Google Benchmark failed",
        "not possible in this state of the loop",
    };
    static_assert(sizeof texts / sizeof texts[0] == GBENCH_STATUS_COUNT, "every status has a text");
    const auto index = static_cast<unsigned>(status);
    return index < GBENCH_STATUS_COUNT ? texts[index] : "unknown status";
}

void gbench_definition_init(gbench_definition *definition, const char *name, gbench_function function, void *user) {
    *definition = gbench_definition{};
    definition->struct_size = sizeof *definition;
    definition->name = name;
    definition->function = function;
    definition->user = user;
    definition->threads = 1;
    definition->repetitions = 1;
    definition->min_time_seconds = 0.5;
    definition->clock = GBENCH_CLOCK_REAL;
}

gbench_suite *gbench_suite_create(void) {
    return new (std::nothrow) gbench_suite;
}

void gbench_suite_destroy(gbench_suite *suite) {
    delete suite;
}

gbench_status gbench_suite_add(gbench_suite *suite, const gbench_definition *definition) {
    if (suite == nullptr || definition == nullptr || !is_legal(*definition)) {
        return GBENCH_ERROR_BAD_ARGUMENT;
    }
    try {
        entry item;
        item.name = definition->name;
        item.function = definition->function;
        item.user = definition->user;
        item.arguments.assign(definition->arguments, definition->arguments + definition->argument_count);
        item.threads = definition->threads;
        item.repetitions = definition->repetitions;
        item.min_time_seconds = definition->min_time_seconds;
        item.iterations = definition->iterations;
        item.clock = definition->clock;
        item.report_aggregates_only = definition->report_aggregates_only;
        suite->entries.push_back(std::move(item));
    } catch (const std::bad_alloc &) {
        return GBENCH_ERROR_NO_MEMORY;
    }
    return GBENCH_OK;
}

gbench_status gbench_suite_run(gbench_suite *suite, const gbench_reporter *reporter, void *user) {
    if (suite == nullptr || reporter == nullptr || reporter->struct_size != sizeof *reporter) {
        return GBENCH_ERROR_BAD_ARGUMENT;
    }
    if (suite->entries.empty()) {
        return GBENCH_ERROR_EMPTY;
    }
    bool expected = false;
    if (!running.compare_exchange_strong(expected, true)) {
        return GBENCH_ERROR_BUSY;
    }
    gbench_status status = GBENCH_OK;
    try {
        fix_flags();
        benchmark::ClearRegisteredBenchmarks();
        for (const entry &item : suite->entries) {
            enter(item);
        }
        callback_reporter callbacks(*reporter, user);
        benchmark::RunSpecifiedBenchmarks(&callbacks, ".");
        if (!callbacks.accepted) {
            status = GBENCH_ERROR_STOPPED;
        } else if (reporter->finalize != nullptr) {
            reporter->finalize(user);
        }
    } catch (const std::bad_alloc &) {
        status = GBENCH_ERROR_NO_MEMORY;
    } catch (const std::exception &) {
        status = GBENCH_ERROR_LIBRARY;
    }
    benchmark::ClearRegisteredBenchmarks();
    running.store(false);
    return status;
}

bool gbench_keep_running_batch(gbench_state *state, int64_t count) {
    if (state->finished || count < 1) {
        return false;
    }
    if (state->paused) {
        state->paused = false;
        state->state->ResumeTiming();
    }
    if (state->state->KeepRunningBatch(count)) {
        state->looping = true;
        return true;
    }
    state->looping = false;
    state->finished = true;
    return false;
}

bool gbench_keep_running(gbench_state *state) {
    return gbench_keep_running_batch(state, 1);
}

int64_t gbench_iterations_wanted(const gbench_state *state) {
    return state->state->max_iterations;
}

int64_t gbench_iterations_done(const gbench_state *state) {
    return state->state->iterations();
}

int64_t gbench_argument(const gbench_state *state, size_t index) {
    return index < state->arguments->size() ? (*state->arguments)[index] : 0;
}

int gbench_thread_index(const gbench_state *state) {
    return state->state->thread_index();
}

int gbench_thread_count(const gbench_state *state) {
    return state->state->threads();
}

gbench_status gbench_pause(gbench_state *state) {
    if (!state->looping || state->paused || state->state->error_occurred()) {
        return GBENCH_ERROR_BAD_STATE;
    }
    state->state->PauseTiming();
    state->paused = true;
    return GBENCH_OK;
}

gbench_status gbench_resume(gbench_state *state) {
    if (!state->looping || !state->paused || state->state->error_occurred()) {
        return GBENCH_ERROR_BAD_STATE;
    }
    state->state->ResumeTiming();
    state->paused = false;
    return GBENCH_OK;
}

gbench_status gbench_set_iteration_time(gbench_state *state, double seconds) {
    if (!std::isfinite(seconds) || seconds < 0) {
        return GBENCH_ERROR_BAD_ARGUMENT;
    }
    state->state->SetIterationTime(seconds);
    return GBENCH_OK;
}

void gbench_skip_with_error(gbench_state *state, const char *message) {
    if (!state->state->error_occurred()) {
        state->state->SkipWithError(message);
    }
    state->paused = false;
    state->finished = state->finished || !state->looping;
}

gbench_status gbench_set_counter(gbench_state *state, const char *name, double value, unsigned flags) {
    static const struct {
        unsigned ours;
        benchmark::Counter::Flags theirs;
    } pairs[] = {
        {GBENCH_COUNTER_RATE, benchmark::Counter::kIsRate},
        {GBENCH_COUNTER_AVERAGE_THREADS, benchmark::Counter::kAvgThreads},
        {GBENCH_COUNTER_AVERAGE_ITERATIONS, benchmark::Counter::kAvgIterations},
        {GBENCH_COUNTER_PER_ITERATION, benchmark::Counter::kIsIterationInvariant},
        {GBENCH_COUNTER_INVERT, benchmark::Counter::kInvert},
    };
    if (name == nullptr) {
        return GBENCH_ERROR_BAD_ARGUMENT;
    }
    benchmark::Counter::Flags translated = benchmark::Counter::kDefaults;
    for (const auto &pair : pairs) {
        if ((flags & pair.ours) != 0) {
            translated = translated | pair.theirs;
            flags &= ~pair.ours;
        }
    }
    if (flags != 0) {
        return GBENCH_ERROR_BAD_ARGUMENT;
    }
    try {
        state->state->counters[name] = benchmark::Counter(value, translated);
    } catch (const std::bad_alloc &) {
        return GBENCH_ERROR_NO_MEMORY;
    }
    return GBENCH_OK;
}

void gbench_set_label(gbench_state *state, const char *label) {
    state->state->SetLabel(label);
}

} // extern "C"
