using System.Runtime.CompilerServices;

namespace Atoll.Serving.Onnx;

/// <summary>A step that was taken so many times and took so long altogether.</summary>
internal readonly record struct StepStatistics(long Count, long Nanoseconds);

/// <summary>What was asked of a model since it came into memory. Counted without locks by many threads; read at any time, a request apart at most.</summary>
internal sealed class RunStatistics
{
    /// <summary>What is counted.</summary>
    public enum Step
    {
        Success,
        Fail,
        Queue,
        ComputeInput,
        ComputeInfer,
        ComputeOutput,
    }

    private const int Steps = (int)Step.ComputeOutput + 1;

    private const int AllSamples = 2 * Steps;
    private const int AtOnce = AllSamples + 1;

    // Counts, nanoseconds, samples, and requests that did not wait: of every model, and for as long as the process lives.
    private static readonly StripedCounters Totals = new(AtOnce + 1);

    private Numbers _counts;
    private Numbers _nanoseconds;
    private long _samples;
    private long _atOnce;
    private long _last;

    /// <summary>Samples that went through the model; a run takes one or more.</summary>
    public long Samples => Interlocked.Read(ref _samples);

    public StepStatistics this[Step step] =>
        new(Interlocked.Read(ref _counts[(int)step]) + (step == Step.Fail ? 0 : Interlocked.Read(ref _atOnce)), Interlocked.Read(ref _nanoseconds[(int)step]));

    /// <summary>Samples that went through any model.</summary>
    public static long TotalSamples => Totals.Sum(AllSamples);

    /// <summary>The step of all models together, also of those that are not in memory any more.</summary>
    public static StepStatistics TotalOf(Step step) => new(Totals.Sum((int)step) + (step == Step.Fail ? 0 : Totals.Sum(AtOnce)), Totals.Sum(Steps + (int)step));

    /// <summary>When it last ran, milliseconds since 1970; 0 when never.</summary>
    public long LastUnixMs(TimeProvider clock) =>
        Interlocked.Read(ref _last) is var last && last == 0 ? 0 : (clock.GetUtcNow() - clock.GetElapsedTime(last)).ToUnixTimeMilliseconds();

    public void Add(Step step, TimeSpan time)
    {
        var nanoseconds = time.Ticks * TimeSpan.NanosecondsPerTick;
        Interlocked.Increment(ref _counts[(int)step]);
        Interlocked.Add(ref _nanoseconds[(int)step], nanoseconds);
        Totals.Add((int)step, 1, Steps + (int)step, nanoseconds);
    }

    /// <summary>Counts what came before and after the run of a success that was counted.</summary>
    public void AddInputAndOutput(TimeSpan input, TimeSpan output)
    {
        Add(Step.ComputeInput, input);
        Add(Step.ComputeOutput, output);
        AddTime(Step.Success, input + output);
    }

    private void AddTime(Step step, TimeSpan time)
    {
        var nanoseconds = time.Ticks * TimeSpan.NanosecondsPerTick;
        Interlocked.Add(ref _nanoseconds[(int)step], nanoseconds);
        Totals.Add(Steps + (int)step, nanoseconds);
    }

    /// <summary>Counts a run of the model.</summary>
    /// <param name="ended">The clock's timestamp.</param>
    public void AddRun(long samples, TimeSpan time, long ended)
    {
        Add(Step.ComputeInfer, time);
        AddSamples(samples, ended);
    }

    /// <summary>Counts all steps of a request that did not wait, in as few writes as that takes: the threads of all processors may meet here.</summary>
    /// <param name="ended">When the run ended, the clock's timestamp.</param>
    public void AddAtOnce(long samples, TimeSpan input, TimeSpan infer, TimeSpan output, long ended)
    {
        Interlocked.Increment(ref _atOnce);
        Totals.Add(AtOnce, 1);
        AddTime(Step.ComputeInput, input);
        AddTime(Step.ComputeInfer, infer);
        AddTime(Step.ComputeOutput, output);
        AddTime(Step.Success, input + infer + output);
        AddSamples(samples, ended);
    }

    private void AddSamples(long samples, long ended)
    {
        Interlocked.Add(ref _samples, samples);
        Totals.Add(AllSamples, samples);
        Volatile.Write(ref _last, ended);
    }

    /// <summary>A number for each step, without an object of its own: a million models may be in memory.</summary>
    [InlineArray(Steps)]
    private struct Numbers
    {
        private long _first;
    }
}
