using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Atoll.Contracts;

namespace Atoll.Client;

/// <summary>Which runs to list; what is null is not asked for.</summary>
public sealed record RunFilter(string? Model = null, string? Experiment = null, string? State = null);

public sealed partial class AtollClient
{
    /// <summary>Starts a training.</summary>
    public Task<RunResponse> CreateRunAsync(CreateRunRequest request, CancellationToken cancellationToken = default) =>
        PostAsync(Path($"/runs"), request, AtollJson.Default.CreateRunRequest, AtollJson.Default.RunResponse, NewIdempotencyKey(), cancellationToken);

    /// <summary>What may be chosen about each kind of training.</summary>
    public Task<Page<TrainerResponse>> ListTrainersAsync(CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/trainers"), AtollJson.Default.PageTrainerResponse, cancellationToken);

    /// <summary>One page of runs, newest first.</summary>
    public Task<Page<RunResponse>> ListRunsPageAsync(
        RunFilter? filter = null, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(
            Path($"/runs", ("model", filter?.Model), ("experiment", filter?.Experiment), ("state", filter?.State), ("after", after), ("limit", Number(limit))),
            AtollJson.Default.PageRunResponse, cancellationToken);

    /// <summary>All runs, newest first.</summary>
    public IAsyncEnumerable<RunResponse> ListRunsAsync(RunFilter? filter = null, CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => ListRunsPageAsync(filter, after, null, token), cancellationToken);

    /// <summary>A run as it is now.</summary>
    public Task<RunResponse> GetRunAsync(string run, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/runs/{run}"), AtollJson.Default.RunResponse, cancellationToken);

    /// <summary>Asks a run to stop; what it did so far is thrown away.</summary>
    public Task<RunResponse> CancelRunAsync(string run, CancellationToken cancellationToken = default) =>
        PostAsync(Path($"/runs/{run}") + ":cancel", AtollJson.Default.RunResponse, cancellationToken);

    /// <summary>All points of a run's learning curves, curve by curve.</summary>
    public IAsyncEnumerable<RunMetricResponse> GetRunMetricsAsync(string run, CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => GetRunMetricsPageAsync(run, after, null, token), cancellationToken);

    /// <summary>One page of the points of a run's learning curves.</summary>
    public Task<Page<RunMetricResponse>> GetRunMetricsPageAsync(string run, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/runs/{run}/metrics", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageRunMetricResponse, cancellationToken);

    /// <summary>Log lines of a run, oldest first.</summary>
    public Task<Page<RunLogResponse>> GetRunLogsPageAsync(string run, string? after = null, int? limit = null, CancellationToken cancellationToken = default) =>
        GetAsync(Path($"/runs/{run}/logs", ("after", after), ("limit", Number(limit))), AtollJson.Default.PageRunLogResponse, cancellationToken);

    /// <summary>All log lines of a run, oldest first.</summary>
    public IAsyncEnumerable<RunLogResponse> GetRunLogsAsync(string run, CancellationToken cancellationToken = default) =>
        AllAsync((after, token) => GetRunLogsPageAsync(run, after, null, token), cancellationToken);

    /// <summary>Everything that happens to a run until it ends; the last event has an ended run.</summary>
    /// <remarks>A broken connection is made again. Each metric and log line is given once.</remarks>
    /// <exception cref="AtollException">There is no such run.</exception>
    /// <exception cref="AtollUnreachableException">The server was away for longer than <see cref="AtollClientOptions.ReconnectMax"/>.</exception>
    public async IAsyncEnumerable<RunEvent> FollowRunAsync(string run, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var seen = new SeenOfRun();
        long? awaySince = null;
        for (var attempt = 1; ; attempt++)
        {
            var events = ReadEventsAsync(run, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using (events.ConfigureAwait(false))
            {
                while (true)
                {
                    try
                    {
                        if (!await events.MoveNextAsync().ConfigureAwait(false)) break;
                    }
                    catch (Exception problem) when (IsBroken(problem))
                    {
                        awaySince ??= _options.Clock.GetTimestamp();
                        if (_options.Clock.GetElapsedTime(awaySince.Value) >= _options.ReconnectMax)
                            throw new AtollUnreachableException(_options.Server, "the connection was lost and did not come back.", problem);
                        break;
                    }
                    attempt = 1;
                    awaySince = null;
                    var change = seen.WithoutSeen(events.Current);
                    yield return change;
                    if (RunStates.IsEnded(change.Run.State)) yield break;
                }
            }
            await Task.Delay(Pause(attempt), _options.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private async IAsyncEnumerable<RunEvent> ReadEventsAsync(string run, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Path($"/runs/{run}/events"));
        request.Headers.Accept.ParseAdd("text/event-stream");
        using var response = await SendOnceAsync(request, _options.Timeout, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode) throw await ReadProblemAsync(response, cancellationToken).ConfigureAwait(false);
        var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            var events = SseParser.Create(body, static (type, data) => type == "run" ? JsonSerializer.Deserialize(data, AtollJson.Default.RunEvent) : null);
            await foreach (var item in events.EnumerateAsync(cancellationToken).ConfigureAwait(false))
            {
                if (item.Data is not null) yield return item.Data;
            }
        }
    }

    private static bool IsBroken(Exception problem) =>
        problem is AtollUnreachableException or IOException or HttpRequestException || (problem is AtollException refused && MayPass(refused.Status));

    /// <summary>What a follower was given already; after a reconnection the server tells the story from the beginning.</summary>
    private sealed class SeenOfRun
    {
        private readonly Dictionary<(string Name, int Step), double> _points = [];
        private long _log = -1;

        public RunEvent WithoutSeen(RunEvent change)
        {
            // A further attempt trains from the beginning and may give a step another value: that is news.
            var metrics = change.Metrics?.Where(point => !_points.TryGetValue((point.Name, point.Step), out var value) || value != point.Value).ToList();
            foreach (var point in metrics ?? []) _points[(point.Name, point.Step)] = point.Value;
            var logs = change.Logs?.Where(line => line.Number > _log).ToList();
            if (logs is { Count: > 0 }) _log = logs[^1].Number;
            return change with { Metrics = metrics, Logs = logs };
        }
    }
}
