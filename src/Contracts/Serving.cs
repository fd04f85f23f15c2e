namespace Atoll.Contracts;

/// <summary>How the models of all tenants are served, and what this server has in memory.</summary>
public sealed record ServingResponse
{
    /// <summary>Model versions of all tenants.</summary>
    public required long Versions { get; init; }

    /// <summary>Those that share the session of their graph with others.</summary>
    public required long Shared { get; init; }

    /// <summary>Why others have a session of their own, most frequent first.</summary>
    public required IReadOnlyList<OwnSessionReason> OwnReasons { get; init; }

    public required ServingMemory Memory { get; init; }
}

/// <summary>A reason for sessions of their own; names and numbers in it are left out.</summary>
public sealed record OwnSessionReason
{
    public required string Reason { get; init; }

    public required long Versions { get; init; }
}

/// <summary>The models in memory.</summary>
public sealed record ServingMemory
{
    public required long Bytes { get; init; }

    public required long BytesMax { get; init; }

    public required long Models { get; init; }

    /// <summary>Those that share the session of their graph.</summary>
    public required long Shared { get; init; }

    /// <summary>Graphs that they share.</summary>
    public required long Graphs { get; init; }

    /// <summary>Shared ones that have a session of their own for as long as they are hot.</summary>
    public required long Hot { get; init; }

    /// <summary>Pinned ones, and the bytes that they take.</summary>
    public required long Pinned { get; init; }

    public required long PinnedBytes { get; init; }
}
