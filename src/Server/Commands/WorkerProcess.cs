namespace Atoll.Commands;

/// <summary>What the processes that the server starts have in common.</summary>
internal static class WorkerProcess
{
    /// <summary>Does the work; it gets the line to the server.</summary>
    public static int Run(Func<TextWriter, int> work)
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
        return work(report);
    }
}
