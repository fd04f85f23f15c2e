using Atoll;
using Atoll.Platform;

// The command line of Cli joins here; the server's own verbs are those that need the server's code.
if (args is ["serve", .. var flags])
{
    try
    {
        await using var server = await AtollServer.StartAsync(flags);
        Console.WriteLine($"Atoll listens on {server.Address}");
        if (server.FirstKey is { } key) Console.WriteLine($"Platform administrator's key, shown only now: {key}");
        await server.WaitForShutdownAsync(CancellationToken.None);
        return 0;
    }
    catch (DataFolderException problem)
    {
        Console.Error.WriteLine(problem.Message);
        return 1;
    }
}
Console.Error.WriteLine("Usage: atoll serve");
return 2;
