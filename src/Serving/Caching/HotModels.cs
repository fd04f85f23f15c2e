using System.Diagnostics;
using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Serving;

/// <summary>When a model is hot, and what a session of its own has to bring.</summary>
internal sealed record HotModelOptions
{
    /// <summary>Share of a processor that its runs take; 0 gives no model a session of its own.</summary>
    public double Share { get; init; } = 0.05;

    /// <summary>Below this part of <see cref="Share"/> it is not hot any more.</summary>
    public double CoolPart { get; init; } = 0.25;

    /// <summary>How much less time a run must take.</summary>
    public double GainMin { get; init; } = 0.1;

    /// <summary>What is not worth it, or found no room, is tried again after this.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>What became of the models that were hot.</summary>
internal sealed record HotModelsSnapshot(int Hot, long Tried, long Kept, long Cooled);

/// <summary>Gives a split model that is asked for all the time an optimised session of its own, while that pays.</summary>
/// <remarks>
/// As inputs of a shared session weights keep the layout in which they came; ONNX Runtime prepacks what is constant. Whether that pays is measured on this
/// processor, beside the requests; the answers are compared first. The shared form stays in memory, so that a session of its own can be dropped at once when
/// others need the room or the model cools.
/// </remarks>
internal sealed class HotModels(ModelCache cache, Func<ModelKey, ModelSignature, CancellationToken, Task<ModelContent>> loader, HotModelOptions options, TimeProvider clock)
{
    // Enough to see a tenth, and little beside what made the model hot.
    private static readonly TimeSpan Timing = TimeSpan.FromMilliseconds(40);

    private const int RowsMax = 64;

    private long _lastTick = clock.GetTimestamp();
    private long _tried;
    private long _kept;
    private long _cooled;

    public HotModelsSnapshot Snapshot() => new(cache.HotCount, Interlocked.Read(ref _tried), Interlocked.Read(ref _kept), Interlocked.Read(ref _cooled));

    /// <summary>Looks at what all models took since the last time; cools those that took little, and tries the hottest one.</summary>
    public async Task TickAsync(CancellationToken cancellationToken)
    {
        if (options.Share == 0) return;
        var elapsed = clock.GetElapsedTime(_lastTick);
        _lastTick = clock.GetTimestamp();
        if (elapsed <= TimeSpan.Zero) return;
        CachedModel? hottest = null;
        var most = options.Share;
        foreach (var model in cache.Models)
        {
            // Most of many models were never asked, and have no statistics.
            if (model.Session.MeanTime == TimeSpan.Zero) continue;
            var took = model.Session.Statistics[RunStatistics.Step.ComputeInfer].Nanoseconds;
            var share = (took - model.HeatNanoseconds) / elapsed.TotalNanoseconds;
            model.HeatNanoseconds = took;
            if (model.Shared is not null)
            {
                if (share < options.CoolPart * options.Share && cache.Cool(model)) _cooled++;
            }
            else if (share >= most && model.IsSplit && clock.GetTimestamp() >= model.NotHotBefore)
            {
                (hottest, most) = (model, share);
            }
        }
        if (hottest is not null) await TryAsync(hottest, cancellationToken);
    }

    private async Task TryAsync(CachedModel model, CancellationToken cancellationToken)
    {
        if (!model.TryLease()) return;
        try
        {
            _tried++;
            model.NotHotBefore = clock.GetTimestamp() + (long)(options.Pause.TotalSeconds * clock.TimestampFrequency);
            if (await cache.WarmSessionAsync(model, (key, token) => loader(key, model.Signature, token), (own, whole) => Pays(model.Session, own, whole, cancellationToken), cancellationToken)) _kept++;
        }
        catch (OnnxException)
        {
            // ONNX Runtime cannot optimise it, or it cannot be tried on made-up inputs: it stays as it is, which answers.
        }
        finally
        {
            model.Release();
        }
    }

    /// <summary>Whether the model's own session gives the same answers in less time.</summary>
    private bool Pays(OnnxSession shared, OnnxSession own, byte[] whole, CancellationToken cancellationToken)
    {
        if (Parity.Compare(shared, own, whole, cancellationToken) is not null) return false;

        // As many rows as requests have.
        var statistics = shared.Statistics;
        var rows = (int)Math.Clamp(statistics.Samples / Math.Max(1, statistics[RunStatistics.Step.ComputeInfer].Count), 1, RowsMax);
        var inputs = Parity.MakeInputs(shared, whole, rows);
        try
        {
            var (ofShared, ofOwn) = (long.MaxValue, long.MaxValue);

            // In turns, and the fastest counts: other work comes in between.
            for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < Timing;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                ofShared = Math.Min(ofShared, Time(shared, inputs));
                ofOwn = Math.Min(ofOwn, Time(own, inputs));
            }
            return ofOwn <= ofShared * (1 - options.GainMin);
        }
        finally
        {
            foreach (var input in inputs) input.Dispose();
        }
    }

    private static long Time(OnnxSession session, OnnxTensor[] inputs)
    {
        const int runs = 8;
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < runs; i++)
            foreach (var output in session.Run(inputs)) output.Dispose();
        return Stopwatch.GetTimestamp() - start;
    }
}
