using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Security;

namespace Atoll.Training;

/// <summary>Runs: trainings in processes of their own, with what they report.</summary>
internal static class TrainingModule
{
    /// <summary>The job behind every run.</summary>
    public static JobKind RunJob { get; } = new(TrainRun.Kind, TrainRun.Lane, typeof(TrainRun));

    public static void AddTraining(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSettings<TrainingOptions>("Training");
        var options = (TrainingOptions)Settings.Read(configuration, new SettingsSection("Training", typeof(TrainingOptions)));
        services.AddSingleton<RunSignals>();
        services.AddJobKind(RunJob);
        services.AddJobLane(TrainRun.Lane, options.SlotsOrCores);
    }

    public static void MapTraining(this RouteGroupBuilder api)
    {
        api.MapGet("/trainers", ListTrainers.Handle).ForCallers("describes the program, not anybody's data").WithTags("Runs")
            .WithName("listTrainers").WithSummary("What may be chosen about each kind of training.");
        var runs = api.MapGroup("/runs").WithTags("Runs");
        runs.MapPost("/", CreateRun.HandleAsync).Needs(Permissions.RunsWrite).Repeatable()
            .ProducesProblem(StatusCodes.Status404NotFound).WithName("createRun").WithSummary("Train a model on a dataset.")
            .WithExample("""{ "dataset": "telco-churn", "target": "Churn", "seed": 1, "minutesMax": 10 }""");
        runs.MapGet("/", ListRuns.HandleAsync).Needs(Permissions.RunsRead)
            .WithName("listRuns").WithSummary("Runs, newest first.");
        runs.MapGet("/{run}", ListRuns.HandleOneAsync).Needs(Permissions.RunsRead)
            .WithName("getRun").WithSummary("A run with its state and, at its end, its scores.");
        runs.MapAction("/{run}:cancel", CancelRun.HandleAsync).Needs(Permissions.RunsWrite)
            .WithName("cancelRun").WithSummary("Stop a run.");
        runs.MapGet("/{run}/metrics", ListRuns.HandleMetricsAsync).Needs(Permissions.RunsRead)
            .WithName("listRunMetrics").WithSummary("Learning curves of a run.");
        runs.MapGet("/{run}/logs", ListRuns.HandleLogsAsync).Needs(Permissions.RunsRead)
            .WithName("listRunLogs").WithSummary("Log lines of a run.");
        runs.MapGet("/{run}/events", FollowRun.HandleAsync).Needs(Permissions.RunsRead)
            .WithName("followRun").WithSummary("Server-sent events: state, metrics and log lines as they come.");
    }
}
