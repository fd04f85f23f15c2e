using Atoll.Platform.Http;
using Atoll.Platform.Imaging;
using Atoll.Platform.Limits;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction;

/// <summary>Runs a loaded model over the samples of a request, in slices that keep memory small, when its turn has come.</summary>
internal sealed class PredictionRunner : IDisposable
{
    // A request that takes longer than this may not have the last place, so that short ones never wait for long ones only.
    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(20);

    private readonly FairQueue _places;
    private readonly TenantLimitsDirectory _limits;
    private readonly IOptions<PredictionOptions> _options;
    private readonly TimeProvider _clock;
    private readonly RunWatch _watch;

    public PredictionRunner(TenantLimitsDirectory limits, IOptions<PredictionOptions> options, TimeProvider clock)
    {
        _limits = limits;
        _options = options;
        _clock = clock;
        _watch = new RunWatch(TimeSpan.FromSeconds(options.Value.RunSecondsMax), clock);
        var runs = options.Value.RunsMax > 0 ? options.Value.RunsMax : Environment.ProcessorCount;
        _places = new FairQueue(runs, options.Value.WaitingMax, clock);

        // A run occupies a thread of the pool until it ends. Without these the pool would be slow to let others answer meanwhile.
        ThreadPool.GetMinThreads(out var workers, out var completions);
        ThreadPool.SetMinThreads(Math.Max(workers, runs + Environment.ProcessorCount), completions);
    }

    /// <summary>The queue, for those who want to know how it does.</summary>
    public FairQueue Places => _places;

    public void Dispose() => _watch.Dispose();

    private const int RowsPerRun = 1024;

    // A batch of texts is as wide as its longest one.
    private const int TextsPerRun = 64;

    /// <summary>Predicts every sample and writes the answer; null when that went well.</summary>
    public async ValueTask<Problem?> RunAsync(
        OnnxSession session, SamplePlan plan, PredictionWork work, bool csv, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var isDone = false;
        var place = await EnterAsync(plan.Route.TenantId, session, Timeout.InfiniteTimeSpan, cancellationToken);
        if (place.Problem is { } busy) return busy;
        try
        {
            using var run = new OnnxRunOptions(cancellationToken);
            var answer = new PredictionAnswer(plan, work, csv);
            var problem = plan.ListName switch
            {
                "rows" => RunSlices(session, plan, work, answer, RowsPerRun, run),
                "texts" => RunSlices(session, plan, work, answer, TextsPerRun, run),
                _ => RunImages(session, plan, work, answer, run, cancellationToken),
            };
            if (problem is null) answer.End();
            isDone = problem is null;
            return problem;
        }
        catch (OnnxException failure) when (IsAboutData(failure))
        {
            return PredictionProblems.Failed(plan, failure.Message);
        }
        catch (TimeoutException)
        {
            return PredictionProblems.TookTooLong(_options.Value.RunSecondsMax);
        }
        finally
        {
            Leave(place, session, isDone, began);
        }
    }

    /// <summary>Runs a model once over tensors that were made and checked by the caller, who disposes both.</summary>
    /// <param name="timeout">How long the caller would wait, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <returns>The outputs; or the problem when it may not run now.</returns>
    public async ValueTask<Outcome<OnnxTensor[]>> RunAsync(
        string tenantId, OnnxSession session, OnnxTensor[] inputs, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var isDone = false;
        var place = await EnterAsync(tenantId, session, timeout, cancellationToken);
        if (place.Problem is { } busy) return busy;
        try
        {
            using var run = new OnnxRunOptions(cancellationToken);
            var outputs = RunCounted(session, inputs, session.Inputs is [{ HasShape: true, Shape: [< 0, ..] }, ..] ? inputs[0].Shape[0] : 1, run);
            isDone = true;
            return outputs;
        }
        catch (TimeoutException)
        {
            return PredictionProblems.TookTooLong(_options.Value.RunSecondsMax);
        }
        finally
        {
            Leave(place, session, isDone, began);
        }
    }

    private OnnxTensor[] RunCounted(OnnxSession session, ReadOnlySpan<OnnxTensor> inputs, long samples, OnnxRunOptions run)
    {
        var began = _clock.GetTimestamp();
        var outputs = RunWatched(session, inputs, run);
        session.Statistics.AddRun(samples, _clock.GetElapsedTime(began), _clock.GetUtcNow());
        return outputs;
    }

    private OnnxTensor[] RunWatched(OnnxSession session, ReadOnlySpan<OnnxTensor> inputs, OnnxRunOptions run)
    {
        var isEnded = false;
        _watch.Begin(run);
        try
        {
            return session.Run(inputs, run);
        }
        catch (OperationCanceledException)
        {
            isEnded = true;
            if (!_watch.End(run)) throw;
            throw new TimeoutException();
        }
        finally
        {
            if (!isEnded) _watch.End(run);
        }
    }

    private async ValueTask<Place> EnterAsync(string tenantId, OnnxSession session, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var place = await QueueAsync(tenantId, session, timeout, cancellationToken);
        session.Statistics.Add(place.Problem is null ? RunStatistics.Step.Queue : RunStatistics.Step.Fail, _clock.GetElapsedTime(began));
        return place;
    }

    private async ValueTask<Place> QueueAsync(string tenantId, OnnxSession session, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var limits = _limits.Of(tenantId);
        var queue = new QueueLimits(limits.WaitingPredictionsMax, limits.PredictionsPerSecondMax, limits.PredictionWeight, limits.RunningPredictionsMax);
        var turn = await _places.EnterAsync(tenantId, queue, timeout, session.MeanTime > Long, cancellationToken);
        return new Place(turn, turn.Refusal == Refusal.None ? null : ToProblem(turn, limits));
    }

    private void Leave(in Place place, OnnxSession session, bool isDone, long began)
    {
        session.Statistics.Add(isDone ? RunStatistics.Step.Success : RunStatistics.Step.Fail, _clock.GetElapsedTime(began));
        session.Count(_places.Leave(place.Turn));
    }

    private static Problem ToProblem(in Turn turn, TenantLimits limits) => turn.Refusal switch
    {
        Refusal.TenantFull => LimitProblems.TooManyWaitingPredictions(limits),
        Refusal.TooOften => LimitProblems.TooManyPredictions(limits, turn.RetryAfter),
        Refusal.TooLate => PredictionProblems.TooLate(),
        _ => PredictionProblems.Busy(),
    };

    /// <summary>The right to run, or the problem.</summary>
    private readonly record struct Place(Turn Turn, Problem? Problem);

    /// <summary>A run of a model that loads can fail for what it was given; anything else is the operator's.</summary>
    public static bool IsAboutData(OnnxException failure) =>
        failure.Code is OnnxErrorCode.InvalidArgument or OnnxErrorCode.Fail or OnnxErrorCode.RuntimeException;

    private Problem? RunSlices(
        OnnxSession session, SamplePlan plan, PredictionWork work, PredictionAnswer answer, int samplesPerRun, OnnxRunOptions run)
    {
        var where = plan.OutputsOf(session);
        var inputs = new OnnxTensor[where.InputColumns.Length];
        for (var first = 0; first < work.Samples.Count; first += samplesPerRun)
        {
            var count = Math.Min(samplesPerRun, work.Samples.Count - first);
            try
            {
                for (var i = 0; i < inputs.Length; i++) inputs[i] = Fill(session.Inputs[i], work.Samples, where.InputColumns[i], first, count);
                if (RunOnce(session, inputs, answer, where, first, count, run) is { } problem) return problem;
            }
            finally
            {
                DisposeAll(inputs);
            }
        }
        return null;
    }

    // Pictures differ in size, so each runs alone, and only one is in memory.
    private Problem? RunImages(
        OnnxSession session, SamplePlan plan, PredictionWork work, PredictionAnswer answer, OnnxRunOptions run, CancellationToken cancellationToken)
    {
        var where = plan.OutputsOf(session);
        for (var i = 0; i < work.Samples.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RgbImage image;
            try
            {
                image = ImageDecoder.Decode(work.Samples.Bytes(i, 0), _options.Value.ImagePixelsMax);
            }
            catch (ImageFormatException refusal)
            {
                return PredictionProblems.Invalid(plan, work.Samples.PathOf(i), "cannot be read as an image", refusal.Message);
            }
            var shape = session.Inputs[0].Shape;
            if ((shape[1] >= 0 && shape[1] != image.Height) || (shape[2] >= 0 && shape[2] != image.Width))
            {
                return PredictionProblems.Invalid(
                    plan, work.Samples.PathOf(i), $"is {image.Width} x {image.Height} pixels", $"The model takes images of {shape[2]} x {shape[1]} pixels.");
            }
            using var input = OnnxTensor.Create<byte>(image.Pixels, 1, image.Height, image.Width, 3);
            if (RunOnce(session, [input], answer, where, i, 1, run) is { } problem) return problem;
        }
        return null;
    }

    private Problem? RunOnce(
        OnnxSession session, ReadOnlySpan<OnnxTensor> inputs, PredictionAnswer answer, OutputPlan where, int first, int count, OnnxRunOptions run)
    {
        var outputs = RunCounted(session, inputs, count, run);
        try
        {
            return answer.Add(outputs, where, first, count);
        }
        finally
        {
            DisposeAll(outputs);
        }
    }

    private static OnnxTensor Fill(OnnxValueInfo input, SampleBatch samples, int column, int first, int count)
    {
        ReadOnlySpan<long> shape = input.Shape.Length == 1 ? [count] : [count, 1];
        if (input.Type != TensorElementType.String)
        {
            var numbers = OnnxTensor.Allocate<float>(shape);
            var values = numbers.Span<float>();
            for (var i = 0; i < count; i++) values[i] = samples.Number(first + i, column);
            return numbers;
        }
        var texts = OnnxTensor.Allocate(TensorElementType.String, shape);
        for (var i = 0; i < count; i++)
        {
            // A new tensor holds empty texts.
            var text = samples.Bytes(first + i, column);
            if (text.Length > 0) texts.SetUtf8(i, text);
        }
        return texts;
    }

    private static void DisposeAll(OnnxTensor?[] tensors)
    {
        for (var i = 0; i < tensors.Length; i++)
        {
            tensors[i]?.Dispose();
            tensors[i] = null;
        }
    }
}
