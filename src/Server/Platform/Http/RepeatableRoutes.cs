namespace Atoll.Platform.Http;

/// <summary>Marks a creating route whose request may be repeated with an idempotency key.</summary>
internal sealed record RepeatableRoute;

/// <summary>Marks a creating route that refuses idempotency keys: its answer must not be stored.</summary>
internal sealed record UnrepeatableRoute(string Reason);

/// <summary>How module files say which requests may be repeated.</summary>
/// <remarks>
/// Answers that hold a secret (keys, key pairs, tenants with their first key) are never stored, so their routes are
/// <see cref="Unrepeatable"/> and refuse the header rather than ignore it. Other routes ignore it.
/// </remarks>
internal static class RepeatableRoutes
{
    public const string Header = "Idempotency-Key";
    public const int KeyCharactersMax = 255;

    /// <summary>A repeated request with the same key gets the first one's answer, for 24 hours.</summary>
    public static TBuilder Repeatable<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new RepeatableRoute());

    public static TBuilder Unrepeatable<TBuilder>(this TBuilder builder, string reason)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new UnrepeatableRoute(reason));
}
