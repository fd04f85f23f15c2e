namespace Atoll.Contracts;

/// <summary>One page of a list.</summary>
/// <param name="Items">At most as many as were asked for.</param>
/// <param name="Next">Give it as <c>after</c> to read on; null on the last page.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next = null);
