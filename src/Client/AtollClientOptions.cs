namespace Atoll.Client;

/// <summary>Where a client calls, as whom, and how patiently.</summary>
public sealed record AtollClientOptions
{
    /// <summary>Address of the server: <c>http://127.0.0.1:8080</c>.</summary>
    public required Uri Server { get; init; }

    /// <summary>An API key or access token; null calls as nobody.</summary>
    public string? Credential { get; init; }

    /// <summary>Longest time for one ordinary request. Uploads, downloads and following a run may take as long as they need.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>How often a request that may be repeated is sent again after a failure that may pass.</summary>
    public int RetriesMax { get; init; } = 3;

    /// <summary>How long <see cref="AtollClient.FollowRunAsync"/> tries to reach a server that went away.</summary>
    public TimeSpan ReconnectMax { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>What sends the requests; a handler of its own when left out. It is not disposed with the client.</summary>
    public HttpMessageHandler? Handler { get; init; }

    /// <summary>Clock for waits.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
