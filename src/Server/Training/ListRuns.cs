using System.Globalization;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Training;

/// <summary>Runs of the tenant, newest first, and what each of them reported.</summary>
internal static class ListRuns
{
    public static async Task<Results<Ok<Page<RunResponse>>, ProblemHttpResult>> HandleAsync(
        [AsParameters] Paging paging, string? model, string? experiment, string? dataset, string? state, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var before = paging.After ?? "~";
        var runs = db.Runs().AsNoTracking().Where(run => string.Compare(run.Id, before) < 0);
        if (model is not null) runs = runs.Where(run => run.Model == model);
        if (experiment is not null) runs = runs.Where(run => run.Experiment == experiment);
        if (dataset is not null) runs = runs.Where(run => run.Dataset == dataset);
        if (state is not null) runs = runs.Where(run => run.State == state);
        return TypedResults.Ok(await paging.ReadAsync(runs.OrderByDescending(run => run.Id), run => run.Id, ToWire, cancellationToken));
    }

    public static async Task<Results<Ok<RunResponse>, ProblemHttpResult>> HandleOneAsync(string run, PlatformDb db, CancellationToken cancellationToken)
    {
        var found = await db.Runs().AsNoTracking().SingleOrDefaultAsync(r => r.Id == run, cancellationToken);
        return found is null ? TrainingProblems.RunNotFound(run).ToResult() : TypedResults.Ok(ToWire(found));
    }

    /// <summary>Points of the learning curves, curve by curve.</summary>
    public static async Task<Results<Ok<Page<RunMetricResponse>>, ProblemHttpResult>> HandleMetricsAsync(
        string run, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        var (step, name) = (-1, "");
        if (paging.After is { } text)
        {
            // The step stands first, as names may hold anything.
            var parts = text.Split(':', 2);
            if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out step))
                return HttpProblems.InvalidField("after", $"is '{text}'", "Use the 'next' of the page before.").ToResult();
            name = parts[1];
        }
        if (!await db.Runs().AnyAsync(r => r.Id == run, cancellationToken)) return TrainingProblems.RunNotFound(run).ToResult();
        var metrics = db.RunMetrics().AsNoTracking()
            .Where(metric => metric.RunId == run && (string.Compare(metric.Name, name) > 0 || (metric.Name == name && metric.Step > step)))
            .OrderBy(metric => metric.Name).ThenBy(metric => metric.Step);
        return TypedResults.Ok(await paging.ReadAsync(
            metrics, metric => string.Create(CultureInfo.InvariantCulture, $"{metric.Step}:{metric.Name}"),
            metric => new RunMetricResponse(metric.Name, metric.Step, metric.Value), cancellationToken));
    }

    public static async Task<Results<Ok<Page<RunLogResponse>>, ProblemHttpResult>> HandleLogsAsync(
        string run, [AsParameters] Paging paging, PlatformDb db, CancellationToken cancellationToken)
    {
        if (paging.Check() is { } invalid) return invalid.ToResult();
        long after = 0;
        if (paging.After is { } text && !long.TryParse(text, out after))
            return HttpProblems.InvalidField("after", $"is '{text}'", "Use the 'next' of the page before.").ToResult();
        if (!await db.Runs().AnyAsync(r => r.Id == run, cancellationToken)) return TrainingProblems.RunNotFound(run).ToResult();
        var logs = db.RunLogs().AsNoTracking().Where(log => log.RunId == run && log.Number > after).OrderBy(log => log.Number);
        return TypedResults.Ok(await paging.ReadAsync(
            logs, log => $"{log.Number}", log => new RunLogResponse(log.Number, log.AtUtc, log.Message), cancellationToken));
    }

    public static RunResponse ToWire(Run run) => new()
    {
        Id = run.Id,
        Experiment = run.Experiment,
        State = run.State,
        Dataset = run.Dataset,
        DatasetVersion = run.DatasetVersion,
        Model = run.Model,
        ModelVersion = run.ModelVersion,
        Target = run.Target,
        Seed = run.Seed,
        Parameters = run.Parameters.Count > 0 ? run.Parameters : null,
        Stage = run.Stage,
        Progress = run.Progress,
        Attempt = run.Attempt,
        CreatedUtc = run.CreatedUtc,
        StartedUtc = run.StartedUtc,
        EndedUtc = run.EndedUtc,
        Error = run.Error,
        Metrics = run.Metrics,
    };
}
