using System.CommandLine;
using Atoll.Cli;
using Atoll.Training;

namespace Atoll.Commands;

/// <summary>The hidden verb by which the server starts a training in a process of its own.</summary>
internal static class TrainWorkerCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "Folder with the order; the results go there." };
        return new Verb(TrainingProcess.Verb, "Train a model as the server orders. Started by the server only.") { IsLocal = true, Hidden = true, Arguments = { folder } }
            .Does((context, cancellationToken) => RunAsync(context.Get(folder), cancellationToken));
    }

    private static Task<int> RunAsync(string folder, CancellationToken cancellationToken)
    {
        // Standard input is a pipe that the server holds open; its end means that the server is gone, however it went.
        var orphaned = new Thread(() =>
        {
            Console.OpenStandardInput().CopyTo(Stream.Null);
            Environment.Exit(1);
        })
        { IsBackground = true };
        orphaned.Start();

        // Libraries may print; what they print must not mix with the report.
        var report = new StreamWriter(Console.OpenStandardOutput());
        Console.SetOut(Console.Error);
        return Task.FromResult(TrainingProcess.Run(folder, report, cancellationToken));
    }
}
