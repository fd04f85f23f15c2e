using System.Diagnostics.Metrics;
using Atoll.Platform.Database;
using Atoll.Platform.Telemetry;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Jobs;

/// <summary>How many jobs of each kind wait and run, and how those ended that this process ended.</summary>
internal sealed class JobMetrics : IMetrics
{
    // Who reads often does not ask the database each time.
    private static readonly TimeSpan Kept = TimeSpan.FromSeconds(5);

    private readonly IServiceScopeFactory _scopes;
    private readonly JobQueue _queue;
    private readonly string[] _lanes;
    private readonly string[] _kinds;
    private readonly TimeProvider _clock;
    private readonly Counter<long> _ended;
    private Dictionary<(string Kind, JobState State), int> _open = [];
    private long? _readAt;

    public JobMetrics(IMeterFactory meters, IServiceScopeFactory scopes, JobQueue queue, IEnumerable<JobKind> kinds, IEnumerable<JobLane> lanes, TimeProvider clock)
    {
        (_scopes, _queue, _clock) = (scopes, queue, clock);
        _lanes = [.. lanes.Select(lane => lane.Name)];
        _kinds = [.. kinds.Select(kind => kind.Kind).Order(StringComparer.Ordinal)];
        var meter = meters.Create("Atoll.Jobs");
        meter.CreateObservableGauge("atoll.jobs", Observe, "{job}", "Jobs that wait or run, by kind and state.");
        _ended = meter.CreateCounter<long>("atoll.jobs.ended", "{job}", "Jobs that this process ended, by kind and state.");

        // What is told from the beginning grows from zero, which is seen.
        foreach (var kind in _kinds)
            foreach (var state in (JobState[])[JobState.Succeeded, JobState.Failed, JobState.Cancelled, JobState.Parked]) Count(kind, state, 0);
    }

    public void CountEnd(string kind, JobState state) => Count(kind, state, 1);

    private void Count(string kind, JobState state, int jobs) => _ended.Add(jobs, new("kind", kind), new("state", Word(state)));

    private IEnumerable<Measurement<int>> Observe()
    {
        if (_readAt is not { } then || _clock.GetElapsedTime(then) >= Kept)
        {
            using var scope = _scopes.CreateScope();
            _open = _queue.CountOpen(scope.ServiceProvider.GetRequiredService<PlatformDb>(), _lanes);
            _readAt = _clock.GetTimestamp();
        }
        foreach (var kind in _kinds)
            foreach (var state in (JobState[])[JobState.Queued, JobState.Running])
                yield return new Measurement<int>(_open.GetValueOrDefault((kind, state)), new("kind", kind), new("state", Word(state)));
    }

    private static string Word(JobState state) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(state.ToString());
}
