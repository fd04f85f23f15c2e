using System.Runtime.ExceptionServices;
using Atoll.Platform.Audio;
using Atoll.Platform.Http;
using Atoll.Platform.Imaging;
using Atoll.Platform.Limits;
using Atoll.Platform.Telemetry;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction;

/// <summary>Runs a loaded model over the samples of a request, in slices that keep memory small, when its turn has come.</summary>
internal sealed class PredictionRunner : IDisposable
{
    // A request that takes longer than this may not have the last place, so that short ones never wait for long ones only.
    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(20);

    // Runs of this length, on every processor at once, keep those who read and answer requests waiting for the processor.
    private static readonly TimeSpan Heavy = TimeSpan.FromMilliseconds(0.3);

    private readonly FairQueue _places;
    private readonly TenantLimitsDirectory _limits;
    private readonly IOptions<PredictionOptions> _options;
    private readonly TimeProvider _clock;
    private readonly RunWatch _watch;
    private readonly UsageCounters _usage;

    public PredictionRunner(TenantLimitsDirectory limits, UsageCounters usage, IOptions<PredictionOptions> options, TimeProvider clock)
    {
        _usage = usage;
        _limits = limits;
        _options = options;
        _clock = clock;
        _watch = new RunWatch(TimeSpan.FromSeconds(options.Value.RunSecondsMax), clock);

        // One more than there are processors, which only short requests get: one of them that loses its processor for a while holds nobody up.
        var runs = options.Value.RunsMax > 0 ? options.Value.RunsMax : Environment.ProcessorCount + 1;
        _places = new FairQueue(runs, options.Value.WaitingMax, clock);

        // A run occupies a thread of the pool until it ends. Without these the pool would be slow to let others answer meanwhile.
        ThreadPool.GetMinThreads(out var workers, out var completions);
        ThreadPool.SetMinThreads(Math.Max(workers, runs + Environment.ProcessorCount), completions);
    }

    /// <summary>The queue, for those who want to know how it does.</summary>
    public FairQueue Places => _places;

    /// <summary>Requests that ran together with others.</summary>
    public StripedCounter Together { get; } = new();

    /// <summary>Requests that ran without waiting, by <see cref="TryRunNow(string, OnnxCall, out Problem?, out RunTimes)"/>.</summary>
    public StripedCounter AtOnce { get; } = new();

    /// <summary>Requests that were refused there.</summary>
    public StripedCounter RefusedAtOnce { get; } = new();

    public void Dispose() => _watch.Dispose();

    private const int RowsPerRun = 1024;

    // A batch of texts is as wide as its longest one.
    private const int TextsPerRun = 64;

    /// <summary>Predicts every sample and writes the answer; null when that went well.</summary>
    public async ValueTask<Problem?> RunAsync(
        OnnxSession session, SamplePlan plan, PredictionWork work, bool csv, CancellationToken cancellationToken)
    {
        try
        {
            return plan.ListName switch
            {
                _ when work.Explain is not null => await RunManyAsync(session, plan, work, csv, cancellationToken),
                "rows" when work.Samples.Count <= RowsPerRun => await RunSliceAsync(session, plan, work, csv, cancellationToken),
                "texts" when work.Samples.Count <= TextsPerRun => await RunSliceAsync(session, plan, work, csv, cancellationToken),
                _ => await RunManyAsync(session, plan, work, csv, cancellationToken),
            };
        }
        catch (OnnxException failure) when (IsAboutData(failure))
        {
            return PredictionProblems.Failed(plan, failure.Message);
        }
        catch (TimeoutException)
        {
            return TookTooLong;
        }
    }

    /// <summary>Samples that go into one run, maybe with those of other requests.</summary>
    private async ValueTask<Problem?> RunSliceAsync(OnnxSession session, SamplePlan plan, PredictionWork work, bool csv, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        using var call = OnnxCall.Rent(session);
        var where = plan.OutputsOf(session);
        FillAll(call, where, work.Samples, 0, work.Samples.Count);
        var input = _clock.GetElapsedTime(began);
        if (await RunAsync(plan.Route.TenantId, call, Timeout.InfiniteTimeSpan, cancellationToken) is { } problem) return problem;
        began = _clock.GetTimestamp();
        if (Answer(call, where, plan, work, csv) is { } unfit) return unfit;
        session.Statistics.AddInputAndOutput(input, _clock.GetElapsedTime(began));
        return null;
    }

    private static Problem? Answer(OnnxCall call, OutputPlan where, SamplePlan plan, PredictionWork work, bool csv)
    {
        var answer = new PredictionAnswer(plan, work, csv);
        if (answer.Add(call.Outputs, where, 0, work.Samples.Count) is { } unfit) return unfit;
        answer.End();
        return null;
    }

    /// <summary>Samples that take several runs, in one turn.</summary>
    private async ValueTask<Problem?> RunManyAsync(OnnxSession session, SamplePlan plan, PredictionWork work, bool csv, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var isDone = false;
        var place = await EnterAsync(plan.Route.TenantId, session, Timeout.InfiniteTimeSpan, cancellationToken);
        if (place.Problem is { } busy) return busy;
        try
        {
            using var call = OnnxCall.Rent(session);
            using var stop = call.Options.StopWith(cancellationToken);
            if (work.Explain is not null && FindFactors(call, plan, work, cancellationToken) is { } unfit) return unfit;
            var answer = new PredictionAnswer(plan, work, csv);
            var problem = plan.TakesFiles
                ? RunFiles(call, plan, work, answer, cancellationToken)
                : RunSlices(call, plan, work, answer, plan.ListName == "rows" ? RowsPerRun : TextsPerRun);
            if (problem is null) answer.End();
            isDone = problem is null;
            return problem;
        }
        finally
        {
            Leave(place.Turn, plan.Route.TenantId, session, work.Samples.Count, isDone, began);
        }
    }

    /// <summary>Runs a model once over inputs that were made and checked by the caller; the outputs are in the call.</summary>
    /// <param name="timeout">How long the caller would wait, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="isBegun">A further step of a request that has run before.</param>
    /// <returns>The problem when it may not run now.</returns>
    public async ValueTask<Problem?> RunAsync(string tenantId, OnnxCall call, TimeSpan timeout, CancellationToken cancellationToken, bool isBegun = false)
    {
        // Requests run together only where they have to wait. A step is none that could be sent away, as who joins a line may be.
        var line = isBegun || _places.HasRoom ? null : BatchLine.Of(call, _options.Value.BatchRowsMax);
        try
        {
            return line is null
                ? await RunAloneAsync(tenantId, call, timeout, isPaid: false, isBegun, cancellationToken)
                : await RunInLineAsync(tenantId, line, call, timeout, cancellationToken);
        }
        catch (TimeoutException)
        {
            return TookTooLong;
        }
    }

    /// <summary>What is told of a run that was stopped because it took too long.</summary>
    public Problem TookTooLong => PredictionProblems.TookTooLong(_options.Value.RunSecondsMax);

    /// <summary>Lines the request up, within the bounds of those that wait.</summary>
    private async ValueTask<Problem?> RunInLineAsync(string tenantId, BatchLine line, OnnxCall call, TimeSpan timeout, CancellationToken cancellationToken)
    {
        // Before it can be taken out of the line: whoever was taken has to stay until it ran.
        var limits = _limits.Of(tenantId);
        if (_places.JoinLine(tenantId, LimitsOf(limits, call.Session)) is { } refusal)
        {
            return Refuse(tenantId, call.Session, refusal, limits, TimeSpan.Zero);
        }
        try
        {
            using var member = line.TryJoin(call);
            return member is null
                ? await RunAloneAsync(tenantId, call, timeout, isPaid: true, isBegun: false, cancellationToken)
                : await RunInLineAsync(tenantId, line, member, timeout, cancellationToken);
        }
        finally
        {
            _places.LeaveLine(tenantId);
        }
    }

    private async ValueTask<Problem?> RunAloneAsync(string tenantId, OnnxCall call, TimeSpan timeout, bool isPaid, bool isBegun, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var isDone = false;
        var place = await EnterAsync(tenantId, call.Session, timeout, cancellationToken, isPaid, isBegun);
        if (place.Problem is { } busy) return busy;
        try
        {
            using var stop = call.Options.StopWith(cancellationToken);
            RunCounted(call, SamplesOf(call));
            isDone = true;
            return null;
        }
        finally
        {
            Leave(place.Turn, tenantId, call.Session, SamplesOf(call), isDone, began);
        }
    }

    private async ValueTask<Problem?> RunInLineAsync(string tenantId, BatchLine line, BatchLine.Member member, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var session = member.Call.Session;
        if (!member.Leads)
        {
            var signal = await member.WaitAsync(timeout, _clock, cancellationToken);
            if (signal != BatchLine.Signal.Lead)
            {
                session.Statistics.Add(RunStatistics.Step.Queue, _clock.GetElapsedTime(began));
                session.Statistics.Add(signal == BatchLine.Signal.Done && member.Failure is null ? RunStatistics.Step.Success : RunStatistics.Step.Fail, _clock.GetElapsedTime(began));
                if (signal == BatchLine.Signal.TooLate)
                {
                    _usage.CountRefusal(tenantId);
                    return PredictionProblems.TooLate();
                }
                Together.Increment();
                _usage.CountRun(tenantId, member.Rows, TimeSpan.Zero);
                if (member.Failure is not null) ExceptionDispatchInfo.Throw(member.Failure);
                return null;
            }
            if (timeout > TimeSpan.Zero) timeout = TimeSpan.FromTicks(Math.Max(0, (timeout - _clock.GetElapsedTime(began)).Ticks));
        }

        var isDone = false;
        var requests = 1;
        var place = await EnterAsync(tenantId, session, timeout, cancellationToken, isPaid: true);
        if (place.Problem is { } busy) return busy;
        try
        {
            var members = line.Take(member, _options.Value.BatchRowsMax);
            requests = members.Count;
            if (requests == 1)
            {
                using var stop = member.Call.Options.StopWith(cancellationToken);
                RunCounted(member.Call, member.Rows);
            }
            else
            {
                Together.Increment();
                line.Run(members, RunCounted, call => RunWatched(call, _clock.GetTimestamp()));
                if (member.Failure is not null) ExceptionDispatchInfo.Throw(member.Failure);
            }
            isDone = true;
            return null;
        }
        finally
        {
            Leave(place.Turn, tenantId, session, member.Rows, isDone, began, requests);
        }
    }

    /// <summary>Runs a model that is known to be quick, if that is possible at once; nothing is counted when it is not, and the caller takes the long way.</summary>
    /// <param name="problem">Why it may not run, if that is known at once.</param>
    /// <param name="run">When it began and ended; what the request took altogether is told by <see cref="CountAtOnce"/>.</param>
    /// <exception cref="TimeoutException">It was not quick this time.</exception>
    public bool TryRunNow(string tenantId, OnnxCall call, out Problem? problem, out RunTimes run)
    {
        run = default;
        var samples = SamplesOf(call);
        if (!TryEnterNow(tenantId, call.Session, samples, out var turn, out problem)) return problem is not null;
        try
        {
            run = new RunTimes(turn.Start, RunWatched(call, turn.Start));
        }
        catch (OnnxException)
        {
            // The long way tells what is wrong.
            _places.Leave(turn);
            return false;
        }
        catch
        {
            // It took too long, and the next one counts as long.
            var took = _places.Leave(turn);
            call.Session.Count(took);
            call.Session.Statistics.Add(RunStatistics.Step.Fail, took);
            _usage.CountRun(tenantId, samples, took);
            throw;
        }
        var time = _places.Leave(turn, run.Ended);
        AtOnce.Increment();
        call.Session.Count(time);
        _usage.CountRun(tenantId, samples, time);
        RequestSpans.Record("run", time, _clock);
        return true;
    }

    /// <summary>The same for samples: predicts them in one run and writes the answer.</summary>
    /// <param name="problem">Why it may not run, or what is wrong with the prediction.</param>
    /// <inheritdoc cref="TryRunNow(string, OnnxCall, out Problem?, out RunTimes)"/>
    public bool TryRunNow(OnnxSession session, SamplePlan plan, PredictionWork work, out Problem? problem)
    {
        problem = null;
        if (plan.ListName != "rows" || work.Samples.Count > RowsPerRun || !IsQuick(session, work.Samples.Count)) return false;
        var began = _clock.GetTimestamp();
        using var call = OnnxCall.Rent(session);
        var where = plan.OutputsOf(session);
        FillAll(call, where, work.Samples, 0, work.Samples.Count);
        if (!TryRunNow(plan.Route.TenantId, call, out problem, out var run)) return false;
        if (problem is not null) return true;
        problem = Answer(call, where, plan, work, csv: false);
        CountAtOnce(call, began, run, problem);
        return true;
    }

    /// <summary>Counts a request that ran at once and has its answer, or the problem with it.</summary>
    /// <param name="began">When the request was begun to be read, the clock's timestamp.</param>
    public void CountAtOnce(OnnxCall call, long began, in RunTimes run, Problem? problem)
    {
        var statistics = call.Session.Statistics;
        var infer = _clock.GetElapsedTime(run.Began, run.Ended);
        if (problem is null)
        {
            statistics.AddAtOnce(SamplesOf(call), _clock.GetElapsedTime(began, run.Began), infer, _clock.GetElapsedTime(run.Ended), run.Ended);
            return;
        }
        statistics.AddRun(SamplesOf(call), infer, run.Ended);
        statistics.Add(RunStatistics.Step.Fail, _clock.GetElapsedTime(began));
    }

    /// <summary>By what it took before: a request, and so many samples.</summary>
    private static bool IsQuick(OnnxSession session, long samples)
    {
        if (session.MeanTime is not { Ticks: > 0 } mean || mean >= Long) return false;
        var known = session.Statistics.Samples;
        return samples <= 1 || (known > 0 && session.Statistics[RunStatistics.Step.ComputeInfer].Nanoseconds / known * samples < Long.TotalNanoseconds);
    }

    private bool TryEnterNow(string tenantId, OnnxSession session, long samples, out Turn turn, out Problem? problem)
    {
        (turn, problem) = (default, null);
        if (_limits.FindKnown(tenantId) is not { } limits) return false;
        var asked = LimitsOf(limits, session);
        var isDecided = IsQuick(session, samples) && _places.TryEnter(tenantId, asked, out turn);
        if (isDecided && turn.Refusal == Refusal.None) return true;
        if ((isDecided ? turn : _places.FindRefusal(tenantId, asked)) is not { } refusal) return false;
        problem = Refuse(tenantId, session, refusal, limits, TimeSpan.Zero);
        RefusedAtOnce.Increment();
        return false;
    }

    private Problem Refuse(string tenantId, OnnxSession session, in Turn refusal, TenantLimits limits, TimeSpan took)
    {
        session.Statistics.Add(RunStatistics.Step.Fail, took);
        _usage.CountRefusal(tenantId);
        return ToProblem(refusal, limits);
    }

    private static QueueLimits LimitsOf(TenantLimits limits, OnnxSession session) =>
        new(limits.WaitingPredictionsMax, limits.PredictionsPerSecondMax, limits.PredictionWeight, limits.RunningPredictionsMax)
        {
            RunsMaxBesideOthers = session.MeanTime > Heavy ? Math.Max(1, Environment.ProcessorCount - 1) : 0,
        };

    private static long SamplesOf(OnnxCall call) => call.Session.Inputs is [{ HasShape: true, Shape: [< 0, ..] }, ..] ? call.Inputs[0].Shape[0] : 1;

    private void RunCounted(OnnxCall call, long samples)
    {
        var began = _clock.GetTimestamp();
        var ended = RunWatched(call, began);
        var took = _clock.GetElapsedTime(began, ended);
        call.Session.Statistics.AddRun(samples, took, ended);
        RequestSpans.Record("run", took, _clock);
    }

    /// <summary>Runs a call that may not take too long.</summary>
    /// <param name="began">Now, the clock's timestamp.</param>
    /// <returns>The timestamp at its end.</returns>
    private long RunWatched(OnnxCall call, long began)
    {
        var options = call.Options;
        _watch.Begin(options, began);
        try
        {
            call.Run();
        }
        catch (OperationCanceledException)
        {
            if (!RunWatch.End(options)) throw;
            throw new TimeoutException();
        }
        catch
        {
            RunWatch.End(options);
            throw;
        }
        if (!RunWatch.End(options)) return _clock.GetTimestamp();

        // It ended by itself at the moment at which it was stopped: what stops it may still be on its way, and must not meet the next run.
        options.MarkTerminated();
        throw new TimeoutException();
    }

    /// <param name="isPaid">It was taken from the tenant's rate before.</param>
    private async ValueTask<Place> EnterAsync(string tenantId, OnnxSession session, TimeSpan timeout, CancellationToken cancellationToken, bool isPaid = false, bool isBegun = false)
    {
        var began = _clock.GetTimestamp();
        var limits = _limits.Of(tenantId);
        var queue = LimitsOf(limits, session) with { IsBegun = isBegun };
        var turn = await _places.EnterAsync(tenantId, isPaid ? queue with { PerSecondMax = 0 } : queue, timeout, session.MeanTime > Long, cancellationToken);
        var took = _clock.GetElapsedTime(began);
        RequestSpans.Record("queue", took, _clock);
        if (turn.Refusal != Refusal.None) return new Place(turn, Refuse(tenantId, session, turn, limits, took));
        session.Statistics.Add(RunStatistics.Step.Queue, took);
        return new Place(turn, null);
    }

    /// <param name="requests">Those that ran together; the turn is counted for this one, and the others are of the same tenant.</param>
    private void Leave(in Turn turn, string tenantId, OnnxSession session, long samples, bool isDone, long began, int requests = 1)
    {
        session.Statistics.Add(isDone ? RunStatistics.Step.Success : RunStatistics.Step.Fail, _clock.GetElapsedTime(began));
        var took = _places.Leave(turn);
        _usage.CountRun(tenantId, samples, took);

        // What a request takes is what it takes alone: batches are compared with that.
        if (requests == 1) session.Count(took);
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

    private Problem? RunSlices(OnnxCall call, SamplePlan plan, PredictionWork work, PredictionAnswer answer, int samplesPerRun)
    {
        var where = plan.OutputsOf(call.Session);
        for (var first = 0; first < work.Samples.Count; first += samplesPerRun)
        {
            var count = Math.Min(samplesPerRun, work.Samples.Count - first);
            call.Clear();
            FillAll(call, where, work.Samples, first, count);
            RunCounted(call, count);
            if (answer.Add(call.Outputs, where, first, count) is { } problem) return problem;
        }
        return null;
    }

    /// <summary>Runs variants of the rows, which tell what each column does to the prediction.</summary>
    private Problem? FindFactors(OnnxCall call, SamplePlan plan, PredictionWork work, CancellationToken cancellationToken)
    {
        var where = plan.OutputsOf(call.Session);
        var search = work.Factors = new FactorSearch(plan, work);
        for (var first = 0; first < work.Samples.Count; first += RowsPerRun)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = Math.Min(RowsPerRun, work.Samples.Count - first);
            call.Clear();
            FillAll(call, where, work.Samples, first, count);
            RunCounted(call, count);
            if (search.Add(call.Outputs, where, first, count) is { } problem) return problem;
        }
        search.End();
        return null;
    }

    // Pictures and sounds differ in size, so each runs alone, and only one is in memory.
    private Problem? RunFiles(OnnxCall call, SamplePlan plan, PredictionWork work, PredictionAnswer answer, CancellationToken cancellationToken)
    {
        var where = plan.OutputsOf(call.Session);
        for (var i = 0; i < work.Samples.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            call.Clear();
            if ((plan.ListName == "images" ? FillImage(call, plan, work.Samples, i) : FillSound(call, plan, work.Samples, i)) is { } refusal) return refusal;
            RunCounted(call, 1);
            if (answer.Add(call.Outputs, where, i, 1) is { } problem) return problem;
        }
        return null;
    }

    private Problem? FillImage(OnnxCall call, SamplePlan plan, SampleBatch samples, int sample)
    {
        RgbImage image;
        try
        {
            image = ImageDecoder.Decode(samples.Bytes(sample, 0), _options.Value.ImagePixelsMax);
        }
        catch (ImageFormatException refusal)
        {
            return PredictionProblems.Invalid(plan, samples.PathOf(sample), "cannot be read as an image", refusal.Message);
        }
        var shape = call.Session.Inputs[0].Shape;
        if ((shape[1] >= 0 && shape[1] != image.Height) || (shape[2] >= 0 && shape[2] != image.Width))
        {
            return PredictionProblems.Invalid(
                plan, samples.PathOf(sample), $"is {image.Width} x {image.Height} pixels", $"The model takes images of {shape[2]} x {shape[1]} pixels.");
        }
        image.Pixels.AsSpan().CopyTo(call.Allocate(0, 1, image.Height, image.Width, 3).Span<byte>());
        return null;
    }

    private Problem? FillSound(OnnxCall call, SamplePlan plan, SampleBatch samples, int sample)
    {
        try
        {
            var clip = WavFile.Decode(samples.Bytes(sample, 0), _options.Value.SoundSecondsMax);
            var heard = Resampler.Resample(clip.Samples, clip.Rate, plan.Route.Signature.SampleRate!.Value);
            heard.CopyTo(call.Allocate(0, 1, heard.Length).Span<float>());
            return null;
        }
        catch (AudioFormatException refusal)
        {
            return PredictionProblems.Invalid(plan, samples.PathOf(sample), "cannot be read as a sound", refusal.Message);
        }
    }

    private static void FillAll(OnnxCall call, OutputPlan where, SampleBatch samples, int first, int count)
    {
        for (var i = 0; i < where.InputColumns.Length; i++) Fill(call, i, samples, where.InputColumns[i], first, count);
    }

    private static void Fill(OnnxCall call, int input, SampleBatch samples, int column, int first, int count)
    {
        var info = call.Session.Inputs[input];
        ReadOnlySpan<long> shape = info.Shape.Length == 1 ? [count] : [count, 1];
        var tensor = call.Allocate(input, shape);
        if (info.Type != TensorElementType.String)
        {
            var values = tensor.Span<float>();
            for (var i = 0; i < count; i++) values[i] = samples.Number(first + i, column);
            return;
        }
        for (var i = 0; i < count; i++)
        {
            // A new tensor holds empty texts.
            var text = samples.Bytes(first + i, column);
            if (text.Length > 0) tensor.SetUtf8(i, text);
        }
    }
}

/// <summary>When a run began and ended, timestamps of the clock.</summary>
internal readonly record struct RunTimes(long Began, long Ended);
