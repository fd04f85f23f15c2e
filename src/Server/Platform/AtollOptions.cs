using System.ComponentModel.DataAnnotations;

namespace Atoll.Platform;

/// <summary>Settings of the server as a whole, section <c>Atoll</c>. Sources, later ones win: file, environment (<c>ATOLL_</c>), flags.</summary>
internal sealed class AtollOptions
{
    /// <summary>Folder that holds everything the server keeps.</summary>
    [Required]
    public string Data { get; set; } = "atoll-data";

    /// <summary>Addresses to listen on, separated by semicolons. Port 0 takes a free one.</summary>
    [Required]
    public string Urls { get; set; } = "http://127.0.0.1:8080";

    /// <summary>Address by which clients reach the server, when that is not the one it listens on: behind a proxy or by a name. Links hold it, and JWT assertions must be made for it.</summary>
    [Url]
    public string? PublicUrl { get; set; }

    /// <summary>Addresses or networks (10.0.0.0/8) of proxies in front, separated by semicolons, whose X-Forwarded-For and X-Forwarded-Proto are believed. Without them wrong credentials of all clients behind a proxy count as one's.</summary>
    public string? TrustedProxies { get; set; }

    /// <summary>Largest request body other than an upload of data; largest message of gRPC.</summary>
    [Range(1024, int.MaxValue)]
    public long RequestBytesMax { get; set; } = 32 << 20;

    /// <summary>Largest upload of data.</summary>
    [Range(1024, long.MaxValue)]
    public long UploadBytesMax { get; set; } = 4L << 30;

    /// <summary>How long a stop waits for running requests and jobs.</summary>
    [Range(1, 600)]
    public int ShutdownSeconds { get; set; } = 8;
}
