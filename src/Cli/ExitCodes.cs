namespace Atoll.Cli;

/// <summary>What the process says to scripts when it ends.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>The server, or the state of things, said no.</summary>
    public const int Refused = 1;

    /// <summary>The command was written wrongly.</summary>
    public const int Usage = 2;

    /// <summary>The server does not answer.</summary>
    public const int Unreachable = 3;

    /// <summary>Ctrl-C, as shells count it.</summary>
    public const int Interrupted = 130;
}

/// <summary>The command was written wrongly; the message says how to write it.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The command is right but cannot be done; the message says why, the remedy what to do.</summary>
internal sealed class RefusedException(string message, string? remedy = null) : Exception(message)
{
    public string? Remedy { get; } = remedy;
}
