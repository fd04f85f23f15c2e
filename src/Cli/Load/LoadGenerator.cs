namespace Atoll.Cli.Load;

/// <summary>Makes a load and measures what comes of it.</summary>
internal static class LoadGenerator
{
    /// <summary>Asks once, so that a load which can only fail is not begun.</summary>
    /// <exception cref="LoadException">The server is not there, or refuses.</exception>
    public static async Task CheckAsync(LoadPlan plan, TimeProvider clock, CancellationToken cancellationToken)
    {
        var report = await RunAsync(
            plan with { Connections = 1, InFlight = 1, Threads = 1, RequestsMax = 1, Rate = null, Warmup = TimeSpan.Zero, Duration = TimeSpan.FromSeconds(60) }, clock, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        if (report.Done == 1) return;
        throw new LoadException(
            $"The server refuses the request: {report.Errors.Keys.FirstOrDefault() ?? "no answer"}{(report.FirstFailure is { } words ? ", " + words : "")}");
    }

    /// <summary>Makes the load on threads of its own.</summary>
    /// <exception cref="LoadException">The server is not there or cannot take such a load.</exception>
    public static async Task<LoadReport> RunAsync(LoadPlan plan, TimeProvider clock, CancellationToken cancellationToken)
    {
        var loops = Enumerable.Range(0, plan.Threads).Select(i => new LoadLoop(plan, i, clock)).ToArray();
        foreach (var loop in loops) loop.Open();
        var cpu = Environment.CpuUsage.TotalTime;
        var start = clock.GetTimestamp();
        await Task.WhenAll(loops.Select(loop => Task.Factory.StartNew(
            () => loop.Run(start, cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        // A load that was ended early has measured less.
        var elapsed = clock.GetElapsedTime(start) - plan.Warmup;
        var seconds = Math.Max(1e-6, Math.Min(plan.Duration.TotalSeconds, elapsed.TotalSeconds));
        cpu = Environment.CpuUsage.TotalTime - cpu;

        var latency = new LatencyHistogram();
        var errors = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var loop in loops)
        {
            latency.Add(loop.Latency);
            foreach (var (status, count) in loop.Errors) errors[status] = errors.GetValueOrDefault(status) + count;
        }
        var done = loops.Sum(loop => loop.DoneInTime) / seconds;
        return new LoadReport
        {
            Protocol = plan.Protocol.ToString().ToLowerInvariant(),
            Http = plan.IsHttp2 ? "2" : "1.1",
            Connections = plan.Connections,
            InFlightMax = plan.InFlight,
            Rate = plan.Rate,
            Seconds = seconds,
            Offered = loops.Sum(loop => loop.Offered),
            Sent = loops.Sum(loop => loop.Sent),
            Begun = loops.Sum(loop => loop.Begun),
            Done = latency.Count,
            DonePerSecond = done,
            RowsPerSecond = done * plan.Body.Rows,
            Errors = errors,
            FirstFailure = loops.Select(loop => loop.FirstFailure).FirstOrDefault(words => words is not null),
            Latency = new LoadLatency(Ms(latency.Percentile(0.5)), Ms(latency.Percentile(0.9)), Ms(latency.Percentile(0.99)), Ms(latency.Percentile(0.999)), Ms(latency.Max)),
            OwnCpuMicroseconds = cpu.TotalMicroseconds / Math.Max(1, loops.Sum(loop => loop.Begun)),
        };

        static double Ms(TimeSpan time) => Math.Round(time.TotalMilliseconds, 4);
    }
}
