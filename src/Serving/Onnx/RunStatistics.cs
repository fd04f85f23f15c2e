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

    // Counts, nanoseconds, and the samples: of every model, and for as long as the process lives.
    private static readonly StripedCounters Totals = new((2 * Steps) + 1);

    private Numbers _counts;
    private Numbers _nanoseconds;
    private long _samples;
    private long _lastUnixMs;

    /// <summary>Samples that went through the model; a run takes one or more.</summary>
    public long Samples => Interlocked.Read(ref _samples);

    /// <summary>When it was last asked; 0 when never.</summary>
    public long LastUnixMs => Interlocked.Read(ref _lastUnixMs);

    public StepStatistics this[Step step] => new(Interlocked.Read(ref _counts[(int)step]), Interlocked.Read(ref _nanoseconds[(int)step]));

    /// <summary>Samples that went through any model.</summary>
    public static long TotalSamples => Totals.Sum(2 * Steps);

    /// <summary>The step of all models together, also of those that are not in memory any more.</summary>
    public static StepStatistics TotalOf(Step step) => new(Totals.Sum((int)step), Totals.Sum(Steps + (int)step));

    public void Add(Step step, TimeSpan time)
    {
        var nanoseconds = time.Ticks * TimeSpan.NanosecondsPerTick;
        Interlocked.Increment(ref _counts[(int)step]);
        Interlocked.Add(ref _nanoseconds[(int)step], nanoseconds);
        Totals.Add((int)step, 1, Steps + (int)step, nanoseconds);
    }

    /// <summary>Makes steps that were counted longer.</summary>
    public void AddTime(Step step, TimeSpan time)
    {
        var nanoseconds = time.Ticks * TimeSpan.NanosecondsPerTick;
        Interlocked.Add(ref _nanoseconds[(int)step], nanoseconds);
        Totals.Add(Steps + (int)step, nanoseconds);
    }

    /// <summary>Counts a run of the model.</summary>
    public void AddRun(long samples, TimeSpan time, DateTimeOffset now)
    {
        Add(Step.ComputeInfer, time);
        Interlocked.Add(ref _samples, samples);
        Totals.Add(2 * Steps, samples);
        Interlocked.Exchange(ref _lastUnixMs, now.ToUnixTimeMilliseconds());
    }

    /// <summary>A number for each step, without an object of its own: a million models may be in memory.</summary>
    [InlineArray(Steps)]
    private struct Numbers
    {
        private long _first;
    }
}
