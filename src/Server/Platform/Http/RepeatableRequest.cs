using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Atoll.Platform.Http;

/// <summary>A request that was sent with an idempotency key, and its answer.</summary>
internal sealed class RepeatableRequest : ITenantOwned
{
    public string TenantId { get; set; } = "";

    public required string PrincipalId { get; set; }

    /// <summary>The caller's text.</summary>
    public required string Key { get; set; }

    /// <summary>SHA-256 of method, address and body; null while the request runs.</summary>
    public string? Digest { get; set; }

    /// <summary>Status of the answer; null while the request runs.</summary>
    public int? Status { get; set; }

    public string? ContentType { get; set; }

    public string? Location { get; set; }

    public byte[]? Body { get; set; }

    public required DateTime ExpiresUtc { get; set; }
}

/// <summary>How repeatable requests are stored, and the set that queries start from.</summary>
internal static class RepeatableRequestTables
{
    public static DbSet<RepeatableRequest> RepeatableRequests(this PlatformDb db) => db.Set<RepeatableRequest>();

    internal sealed class RepeatableRequestTable : IEntityTypeConfiguration<RepeatableRequest>
    {
        public void Configure(EntityTypeBuilder<RepeatableRequest> builder) =>
            builder.ToTable("repeatable_requests").HasKey(request => new { request.TenantId, request.PrincipalId, request.Key });
    }
}
