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
            .Does((context, _) => Task.FromResult(Run(context.Get(folder))));
    }

    // Ctrl-C reaches every process of a terminal at once. The server decides what becomes of a training: were this one quicker to
    // end than the server to notice, a stop would look like a crash and cost an attempt.
    private static int Run(string folder) => WorkerProcess.Run(report => TrainingProcess.Run(folder, report, CancellationToken.None));
}
